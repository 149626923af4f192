// One time axis for everything about a recording: minimap, waveform, lanes, curves, and one playhead through all.

import WaveSurfer from "./vendor/wavesurfer.js";
import Minimap from "./vendor/minimap.js";
import Timeline from "./vendor/timeline.js";

import { segmentAt } from "./answers.js";
import { curves } from "./curves.js";
import { fill, make } from "./dom.js";
import { lane, topWords } from "./lane.js";
import { texts } from "./texts.js";

const MOST_ZOOM = 400;

/** A colour of the style sheet as a canvas takes it, in the light or the dark. */
export function colour(name) {
  const probe = make("span", { style: { color: `var(${name})` } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** The time under a waveform of so many s; a short one has a number at each second. */
export function ruler(duration) {
  return Timeline.create({ height: 18, primaryLabelInterval: duration <= 12 ? 1 : undefined, secondaryLabelOpacity: 1, style: { fontSize: "11px", color: colour("--quiet") } });
}

const nonce = document.querySelector("meta[name=csp-nonce]")?.nonce;

/**
 * The track of a recording.
 *
 * `shape` is {duration, peaks: [Float32Array a channel]}, `media` an audio element that plays it. It calls
 * `onTime(seconds)` as the playhead moves, and `onSelect(start, end)` when somebody drags over the lanes.
 */
export class Track {
  constructor(shape, media, { onTime = () => {}, onSelect = () => {} } = {}) {
    this.duration = shape.duration;
    this.media = media;
    this._select = onSelect;
    this._rows = make("div", { class: "rows" });
    this._inner = make("div", { class: "inner" }, this._rows);
    this._cursor = make("div", { class: "cursor" });
    this._selection = make("div", { class: "selection", hidden: true });
    this._hint = make("div", { class: "hint", hidden: true });
    this._rows.append(this._selection);
    this._wave = make("div", { class: "wave", "aria-label": texts.wave, role: "img" });
    this._map = make("div", { class: "map", "aria-label": texts.minimap, role: "img" });
    this._lanes = make("div", { class: "lanes" });
    this._view = make("div", { class: "view" }, this._inner);
    this.element = make("div", { class: "track" }, this._map, this._wave, this._view, this._cursor, this._hint);
    this._rows.prepend(this._lanes);
    this.surfer = WaveSurfer.create({
      container: this._wave,
      media,
      peaks: shape.peaks,
      duration: shape.duration,
      height: 72,
      waveColor: colour("--wave"),
      progressColor: colour("--wave-heard"),
      cursorWidth: 0,
      normalize: true,
      hideScrollbar: false,
      dragToSeek: false,
      cspNonce: nonce,
      splitChannels: shape.peaks.length > 1 ? shape.peaks.map(() => ({ overlay: true })) : undefined,
      plugins: [
        ruler(shape.duration),
        ...(shape.duration > 20 ? [Minimap.create({ container: this._map, height: 26, waveColor: colour("--wave"), progressColor: colour("--wave-heard"), overlayColor: colour("--overlay"), cspNonce: nonce })] : []),
      ],
    });
    const place = () => this._place();
    this.surfer.on("scroll", place);
    this.surfer.on("zoom", place);
    this.surfer.on("redraw", place);
    this.surfer.on("timeupdate", (time) => {
      place();
      onTime(time);
    });
    this.surfer.on("interaction", (time) => onTime(time));
    this._view.addEventListener("scroll", () => {
      if (Math.abs(this.surfer.getScroll() - this._view.scrollLeft) > 1) this.surfer.setScroll(this._view.scrollLeft);
    });
    this.element.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    this._drag();
    this._observer = new ResizeObserver(place);
    this._observer.observe(this.element);
  }

  /** Let go of everything. */
  destroy() {
    this._observer.disconnect();
    this.surfer.destroy();
  }

  /** Where the playhead is, s. */
  get time() {
    return this.media.currentTime;
  }

  /** Go to a time, and have it in view. */
  seek(time) {
    this.media.currentTime = Math.min(Math.max(0, time), this.duration);
    this._place();
  }

  /** Pixels a second; 0 shows everything. */
  get zoom() {
    return this._zoom ?? 0;
  }

  set zoom(pixels) {
    const least = this.element.clientWidth / this.duration;
    this._zoom = pixels <= least ? 0 : Math.min(MOST_ZOOM, pixels);
    this.surfer.zoom(this._zoom);
    this._place();
  }

  /** Zoom by a factor, the moment under `x` (pixels from the left, the playhead if undefined) staying there. */
  zoomBy(factor, x) {
    const now = this._scale();
    const at = x ?? Math.min(this.element.clientWidth, Math.max(0, this.time * now - this._scroll()));
    const moment = (this._scroll() + at) / now;
    this.zoom = now * factor;
    this.surfer.setScroll(Math.max(0, moment * this._scale() - at));
    this._place();
  }

  /** Draw segments anew: `byChannel` is [{channel, segments, stretches}]; a row may have a `name` of its own. */
  show(byChannel, looks, { choose, filter = null } = {}) {
    fill(
      this._lanes,
      byChannel.map(({ channel, segments, stretches, name = byChannel.length > 1 ? texts.lane(channel) : "" }) => [
        make("div", { class: "lane-name" }, name),
        lane(stretches, this.duration, looks, { label: name || texts.lane(channel), choose, filter }),
        curves(segments, this.duration, looks),
      ]),
    );
    this._known = byChannel;
  }

  /** Mark a stretch as the one that is dragged over, or none. */
  mark(start, end) {
    this._selection.hidden = start === undefined;
    if (start === undefined) return;
    this._selection.style.left = `${(100 * start) / this.duration}%`;
    this._selection.style.width = `${(100 * (end - start)) / this.duration}%`;
  }

  _scale() {
    return Math.max(this.zoom, this.element.clientWidth / this.duration);
  }

  _scroll() {
    return this.surfer.getScroll();
  }

  _place() {
    const scale = this._scale();
    this._inner.style.width = `${scale * this.duration}px`;
    this._view.scrollLeft = this._scroll();
    const x = this.time * scale - this._scroll();
    this._cursor.hidden = x < -1 || x > this.element.clientWidth + 1;
    this._cursor.style.transform = `translateX(${x}px)`;
  }

  _wheel(event) {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) return;
    if (!this.element.contains(event.target)) return;
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - this.element.getBoundingClientRect().left);
  }

  _drag() {
    let from = null;
    const moment = (event) => {
      const box = this._inner.getBoundingClientRect();
      return Math.min(this.duration, Math.max(0, ((event.clientX - box.left) / box.width) * this.duration));
    };
    this._view.addEventListener("pointerdown", (event) => {
      if (event.button === 0) from = { time: moment(event), x: event.clientX };
    });
    this._view.addEventListener("pointermove", (event) => {
      const now = moment(event);
      if (from && Math.abs(event.clientX - from.x) > 4) {
        this._dragged = [Math.min(from.time, now), Math.max(from.time, now)];
        this.mark(...this._dragged);
      }
      this._hover(event, now);
    });
    this._view.addEventListener("pointerleave", () => (this._hint.hidden = true));
    window.addEventListener("pointerup", () => {
      if (from && this._dragged) this._select(...this._dragged);
      from = null;
      setTimeout(() => (this._dragged = null));
    });
    this._view.addEventListener("click", (event) => this._dragged && event.stopPropagation(), true);
  }

  _hover(event, time) {
    const box = this.element.getBoundingClientRect();
    const lanes = [...this._lanes.querySelectorAll(".lane")];
    const row = lanes.findLastIndex((one) => one.getBoundingClientRect().top <= event.clientY);
    const known = this._known?.[Math.max(0, row)];
    const segment = known && segmentAt(known.segments, time, known.channel);
    this._hint.hidden = !segment || segment.emotion === null;
    if (this._hint.hidden) return;
    this._hint.textContent = topWords(segment.probabilities);
    this._hint.style.left = `${Math.min(event.clientX - box.left, box.width - 220)}px`;
    this._hint.style.top = `${event.clientY - box.top + 18}px`;
  }
}
