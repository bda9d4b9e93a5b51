// One medium of a sample: the video with boxes over its frames, and a time line with spans and the frames the model saw.
import { clip, data } from "/page/static.js";
import { advantageColor, ask, h, notice, number, svg } from "/page/dom.js";

const ASK_AGAIN = 700;

// `page`: what /api/group gives; `n`: which medium. Gives {element, highlight(index or null), seek, toggle, step, stop}.
export function player(page, n, where) {
  const medium = page.media[n];
  const screen = h("div", { class: `screen${page.pixelated ? " pixelated" : ""}` });
  const clock = h("div", { class: "clock" });
  const strip = h("div", { class: "strip" });
  const name = page.media.length > 1 ? h("p", { class: "muted" }, `${n + 1}. ${medium.name}`) : null;
  const element = h("div", { class: "player" }, name ?? "", screen, clock, strip);
  const rows = spanRows(page);
  const control = { element, highlight: () => {}, seek: () => {}, toggle: () => {}, step: () => {}, stop: () => {}, video: null };
  if (medium.problem) {
    screen.append(notice(medium.problem));
    drawClock(null);
    return control;
  }
  let stopped = false;
  control.stop = () => { stopped = true; };
  const address = { ...where, n };
  const file = (part, path) => (data ? clip(part, address) : `${path}?${new URLSearchParams(address)}`);

  async function ready() {
    for (;;) {
      const state = await ask("media", address);
      if (stopped) return;
      if (state.state === "ready") return state.type.startsWith("image/") ? picture() : state.type === "frames" ? pictures(state) : film(state);
      if (state.state === "failed") { screen.replaceChildren(notice(state.problem, "bad")); return drawClock(null); }
      screen.replaceChildren(h("p", { class: "muted", role: "status" }, `Converting for playback: ${Math.round(100 * state.share)} %`), h("progress", { value: state.share, max: 1 }));
      await new Promise((done) => setTimeout(done, ASK_AGAIN));
    }
  }

  function picture() {
    screen.replaceChildren(h("div", { class: "stage" }, h("img", { src: file("media", "/media"), alt: medium.name }), boxes(() => 0)));
  }

  // A list of frames at its frame rate: no video, but the same time line.
  function pictures({ count, fps }) {
    const image = h("img", { alt: medium.name });
    const overlay = boxes();
    const button = h("button", { type: "button", onclick: () => control.toggle() }, "▶");
    const told = h("span", { class: "muted" });
    screen.replaceChildren(h("div", { class: "stage" }, image, overlay), h("p", { class: "bar" }, button, told));
    let shown = 0;
    let playing = null;
    const cursor = drawClock(count / fps);
    const show = (frame) => {
      shown = Math.max(0, Math.min(count - 1, frame));
      image.src = `/media?${new URLSearchParams({ ...address, frame: shown })}`;
      told.textContent = `frame ${shown + 1} of ${count}, ${number(fps, 2)} fps`;
      cursor.move(shown / fps);
      overlay.draw(shown / fps);
    };
    const stop = () => { clearInterval(playing); playing = null; button.textContent = "▶"; };
    control.seek = (time) => show(Math.floor(time * fps + 1e-6));
    control.step = (by) => { stop(); show(shown + by); };
    control.toggle = () => { if (playing) return stop();
      button.textContent = "⏸";
      playing = setInterval(() => (stopped ? stop() : show((shown + 1) % count)), 1000 / fps);
    };
    show(0);
    element.dataset.ready = "1";
  }

  function film({ offset }) {
    const video = h("video", { src: file("media", "/media"), controls: true, loop: !medium.end, playsinline: true, preload: "auto" });
    video.muted = true;
    control.video = video;
    const now = () => video.currentTime - offset;
    const overlay = boxes(now);
    const stage = h("div", { class: "stage" }, video, overlay);
    screen.replaceChildren(stage);
    video.onerror = () => screen.append(notice(`The browser cannot play this file (${video.error?.message ?? "unknown reason"}).`, "bad"));
    video.onloadedmetadata = () => {
      stage.style.setProperty("--aspect", video.videoWidth / video.videoHeight || 1);
      const length = medium.end ? medium.end - medium.start : video.duration - offset;
      const cursor = drawClock(length);
      control.seek = (time) => { video.currentTime = time + offset + 1e-4; };
      if (medium.start) control.seek(0);
      const place = (time) => {
        cursor.move(time);
        overlay.draw(time);
        if (medium.end && time >= length && !video.paused) control.seek(0);
      };
      const follow = () => {
        if (stopped) return;
        if (video.requestVideoFrameCallback) video.requestVideoFrameCallback((_, frame) => { place(frame.mediaTime - offset); follow(); });
        else requestAnimationFrame(() => { place(now()); follow(); });
      };
      follow();
      for (const name of ["seeked", "timeupdate"]) video.addEventListener(name, () => place(now()));
      place(0);
      control.toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
      control.step = (by) => {
        video.pause();
        const frames = medium.frames;
        const gap = frames.length > 1 ? (frames.at(-1) - frames[0]) / (frames.length - 1) : 0.25;
        control.seek(Math.max(0, Math.min(length - 0.01, now() + by * Math.min(gap, 0.25))));
      };
      element.dataset.ready = "1";
    };
    showStrip();
  }

  async function showStrip() {
    try {
      const found = await ask("strip", address);
      if (stopped) return;
      const image = h("img", { src: file("strip", "/strip.jpg"), alt: "" });
      const picks = found.times.map((time, index) => h("button", {
        type: "button", title: `${number(time, 2)} s`, style: { left: `${(100 * index) / found.count}%`, width: `${100 / found.count}%` },
        onclick: () => control.seek(time),
      }, h("span", {}, number(time, 1))));
      const words = found.even ? "The frames that the model saw are not recorded; these are evenly spaced."
        : `${medium.frames.length} frames that the model saw${found.count < medium.frames.length ? `, ${found.count} of them shown` : ""}.`;
      strip.replaceChildren(h("p", { class: "muted" }, words), h("div", { class: "frames" }, h("div", { class: "film" }, image, picks)));
    } catch (error) {
      strip.replaceChildren(notice(error.message));
    }
  }

  function boxes() {
    const overlay = svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", class: "boxes", "aria-hidden": "true" });
    const tracks = boxTracks(page);
    const shapes = tracks.map((track) => {
      const shape = svg("rect", { class: `box ${track.kind}`, "data-name": track.name, style: track.color ? { stroke: track.color } : {} });
      overlay.append(shape);
      return shape;
    });
    overlay.draw = (time) => tracks.forEach((track, index) => {
      const box = boxAt(track, time);
      shapes[index].toggleAttribute("hidden", !box);
      shapes[index].style.display = box ? "" : "none";
      if (!box) return;
      const [x0, y0, x1, y1] = box;
      for (const [name, value] of Object.entries({ x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) })) shapes[index].setAttribute(name, value);
    });
    overlay.mark = (index) => shapes.forEach((shape, place) => {
      shape.classList.toggle("strong", tracks[place].index === index && index !== null);
      shape.classList.toggle("faint", index !== null && tracks[place].index !== index && tracks[place].kind === "answer");
    });
    control.overlay = overlay;
    overlay.draw(0);
    return overlay;
  }

  function drawClock(length) {
    const ends = rows.flatMap((row) => row.spans.flat());
    const duration = Math.max(length ?? 0, length ? 0 : page.fields?.duration ?? 0, length ? 0 : Math.max(0, ...ends)) || 1;
    const share = (time) => `${(100 * Math.max(0, Math.min(duration, time))) / duration}%`;
    const line = (row) => h("div", { class: "row", "data-row": row.name, onmouseenter: () => control.highlight(row.index), onmouseleave: () => control.highlight(null) },
      h("span", { class: "name" }, row.name),
      h("span", { class: "track" }, row.unread ? h("em", { class: "unread" }, "no readable answer") : row.spans.map(([start, end]) => h("span", {
        class: "span", title: `${number(start, 2)} to ${number(end, 2)} s`,
        style: { left: share(start), width: `calc(max(3px, ${share(end)} - ${share(start)}))`, background: row.color },
      }, end > duration + 0.05 ? h("b", { title: "continues after the end" }, "▸") : null))),
      h("span", { class: "note" }, row.note));
    const ticks = h("div", { class: "row ticks" }, h("span", { class: "name" }, medium.frames.length ? "seen" : ""),
      h("span", { class: "track bare" }, medium.frames.map((time) => h("i", { class: "seen", style: { left: share(time) } }))), h("span", {}));
    const scale = h("div", { class: "row scale" }, h("span", { class: "name" }), h("span", { class: "track bare" },
      marks(duration).map((second) => h("i", { style: { left: share(second) } }, String(second)))), h("span", { class: "note" }, "s"));
    const cursor = h("div", { class: "cursor" });
    const area = h("div", { class: "area" }, cursor);
    area.addEventListener("pointerdown", (event) => {
      const box = area.getBoundingClientRect();
      control.seek((duration * (event.clientX - box.left)) / box.width);
    });
    clock.replaceChildren(...rows.map(line), medium.frames.length ? ticks : "", scale, area);
    clock.dataset.duration = duration;
    // The area covers the rows to receive clicks; the row under the pointer is still highlighted.
    area.addEventListener("pointermove", (event) => {
      const under = [...clock.querySelectorAll(".row[data-row]")].find((row) => {
        const box = row.getBoundingClientRect();
        return event.clientY >= box.top && event.clientY < box.bottom;
      });
      control.highlight(rows.find((row) => row.name === under?.dataset.row)?.index ?? null);
    });
    area.addEventListener("pointerleave", () => control.highlight(null));
    control.mark = (index) => {
      for (const [place, element] of [...clock.querySelectorAll(".row[data-row]")].entries()) {
        element.classList.toggle("strong", index !== null && rows[place].index === index);
        element.classList.toggle("faint", index !== null && rows[place].index !== index && rows[place].index !== null);
      }
    };
    return { move: (time) => { cursor.style.left = share(time); } };
  }

  ready().catch((error) => screen.replaceChildren(notice(error.message, "bad")));
  return control;
}

function spanRows(page) {
  const largest = Math.max(1e-9, ...page.completions.map((each) => Math.abs(each.values.advantage ?? 0)));
  const rows = [];
  if (page.truth?.spans.length) rows.push({ name: "truth", index: null, spans: page.truth.spans, color: "var(--truth)", note: "" });
  for (const [index, each] of page.completions.entries()) {
    const unread = !each.drawn.spans.length && page.truth?.spans.length;
    if (!each.drawn.spans.length && !unread) continue;
    rows.push({
      name: String(each.number), index, spans: each.drawn.spans, unread, note: each.values.iou === undefined ? "" : number(each.values.iou, 2),
      color: advantageColor(each.values.advantage, largest),
    });
  }
  return rows;
}

function boxTracks(page) {
  const largest = Math.max(1e-9, ...page.completions.map((each) => Math.abs(each.values.advantage ?? 0)));
  const tracks = [];
  if (page.start_box && page.truth?.boxes) tracks.push({ name: "start", kind: "given", index: null, times: [0, page.truth.boxes.times[0] - 1e-3], boxes: [page.start_box, page.start_box] });
  for (const [index, each] of page.completions.entries()) {
    if (each.drawn.boxes) tracks.push({ name: String(each.number), kind: "answer", index, color: advantageColor(each.values.advantage, largest), ...each.drawn.boxes });
  }
  if (page.truth?.boxes) tracks.push({ name: "truth", kind: "truth", index: null, ...page.truth.boxes });
  return tracks;
}

// The box of a track at a time, interpolated linearly; none before the first and after the last.
export function boxAt({ times, boxes }, time) {
  const slack = 0.02;
  if (!times.length || time < times[0] - slack || time > times.at(-1) + slack) return null;
  const next = times.findIndex((each) => each >= time);
  if (next <= 0) return boxes[next === 0 ? 0 : boxes.length - 1];
  const share = (time - times[next - 1]) / (times[next] - times[next - 1]);
  return boxes[next].map((value, place) => boxes[next - 1][place] + share * (value - boxes[next - 1][place]));
}

function marks(duration) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((each) => duration / each <= 10) ?? 3600;
  return Array.from({ length: Math.floor(duration / step) + 1 }, (_, index) => index * step);
}
