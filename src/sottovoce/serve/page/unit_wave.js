// The waveform around one stretch, whose boundaries can be dragged.

import WaveSurfer from "./vendor/wavesurfer.js";
import Regions from "./vendor/regions.js";

import { make } from "./dom.js";
import { texts } from "./texts.js";
import { colour, ruler } from "./track.js";

const nonce = document.querySelector("meta[name=csp-nonce]")?.nonce;

/** Of the width, what the stretch takes at first; and pixels a second at most. */
const [SHARE, MOST_ZOOM] = [0.5, 600];

/** Shorter ones cannot be dragged. s */
const SHORTEST = 0.1;

/** Draws into `place`; `onBounds(start, end)` is called when somebody has dragged a boundary. */
export class UnitWave {
  constructor(place, { blob, shape }, onBounds) {
    this.place = place;
    this.duration = shape.duration;
    this.url = URL.createObjectURL(blob);
    this.media = make("audio", { preload: "auto", src: this.url });
    place.append(this.media);
    this.regions = Regions.create();
    this.surfer = WaveSurfer.create({
      container: place,
      media: this.media,
      peaks: shape.peaks,
      duration: shape.duration,
      height: 96 / shape.peaks.length,
      waveColor: colour("--wave"),
      progressColor: colour("--wave"),
      cursorColor: colour("--ink"),
      normalize: true,
      autoScroll: false,
      autoCenter: false,
      cspNonce: nonce,
      splitChannels: shape.peaks.length > 1 ? shape.peaks.map(() => ({})) : undefined,
      plugins: [this.regions, ruler(shape.duration)],
    });
    this.ready = new Promise((resolve) => this.surfer.once("ready", resolve));
    this.regions.on("region-updated", (region) => onBounds(region.start, region.end));
  }

  /** Show a stretch in the middle. */
  async show({ start, end, channel }) {
    await this.ready;
    if (this.gone) return;
    this.regions.clearRegions();
    this.region = this.regions.addRegion({ start, end, drag: false, resize: true, minLength: SHORTEST, color: colour("--overlay"), channelIdx: channel === null ? -1 : channel - 1 });
    const width = this.place.clientWidth;
    const scale = Math.max(width / this.duration, Math.min(MOST_ZOOM, (SHARE * width) / (end - start)));
    this.surfer.zoom(scale);
    this.surfer.setScroll(((start + end) / 2) * scale - width / 2);
  }

  /** Move the boundaries. */
  move(start, end) {
    this.region?.setOptions({ start, end });
  }

  /** Play a stretch; rejects where the browser lets nothing play, or cannot. */
  async play(start, end) {
    await this.ready;
    if (!this.gone) await this.surfer.play(start, end);
  }

  /** Let go of everything. */
  destroy() {
    this.gone = true;
    this.media.pause();
    this.surfer.destroy();
    this.media.remove();
    URL.revokeObjectURL(this.url);
  }
}

/** Why a stretch is not heard, for people. */
export function whySilent(error) {
  return error.name === "NotAllowedError" ? texts.label.pressSpace : texts.unsupported;
}
