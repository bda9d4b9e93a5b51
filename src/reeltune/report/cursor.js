// The time line's cursor follows its video; a press on the time line seeks. Videos play while they are seen.
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

for (const card of document.querySelectorAll(".watch")) {
  const video = card.querySelector("video");
  const line = card.querySelector(".timeline");
  if (!video) continue;
  if (line) {
    const area = line.querySelector(".cursor-area");
    const cursor = line.querySelector(".cursor");
    const duration = Number(line.dataset.duration);
    const place = () => {
      cursor.style.left = `${Math.min(100, (100 * video.currentTime) / duration)}%`;
      if (!video.paused) requestAnimationFrame(place);
    };
    line.classList.add("live");
    for (const event of ["play", "seeked", "timeupdate", "pause"]) video.addEventListener(event, place);
    area.addEventListener("click", (press) => {
      const box = area.getBoundingClientRect();
      video.currentTime = (duration * (press.clientX - box.left)) / box.width;
    });
  }
  if (calm) continue;
  let stopped = false; // by the reader: then it stays stopped
  let leaving = false;
  video.addEventListener("pause", () => { if (!leaving) stopped = true; leaving = false; });
  video.addEventListener("play", () => { stopped = false; });
  new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !stopped) video.play().catch(() => {});
      if (!entry.isIntersecting && !video.paused) { leaving = true; video.pause(); }
    }
  }, { threshold: 0.4 }).observe(video);
}
