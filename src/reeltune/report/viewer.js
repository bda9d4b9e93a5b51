// The shown group's video plays; arrow keys go to the neighboring group. Everything else is links and CSS.
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const chooser = document.querySelector(".chooser");
const shown = () => document.getElementById(location.hash.slice(1)) || document.querySelector(".group");

function mark() {
  const group = shown();
  for (const video of document.querySelectorAll("video")) if (!group.contains(video)) video.pause();
  for (const link of chooser.querySelectorAll("a")) {
    if (link.hash !== `#${group.id}`) { link.removeAttribute("aria-current"); continue; }
    link.setAttribute("aria-current", "true");
    chooser.scrollTop = link.offsetTop - chooser.clientHeight / 2;
  }
  const video = group.querySelector("video");
  if (video && !calm) video.play().catch(() => {});
}

function turn(press) {
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[press.key];
  if (!rel || press.altKey || press.ctrlKey || press.metaKey || press.target.closest("video, pre")) return;
  const link = shown().querySelector(`a[rel=${rel}]`);
  if (link) { press.preventDefault(); location.hash = link.hash; }
}

if (chooser) {
  addEventListener("hashchange", mark);
  addEventListener("keydown", turn);
  mark();
}
