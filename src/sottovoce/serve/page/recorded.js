// Sound while it is recorded: one channel of 16 bits, in the blocks that it came in, and no more than a page can keep.

import { wavHeader } from "./audio.js";

/** s */
export const LONGEST = 30 * 60;

/** Bytes: what the service takes at once, by default, so that it can be judged afterwards. */
const LARGEST = 60_000_000;

export class Recorded {
  constructor(rate) {
    this.rate = rate;
    this.blocks = [];
    this.length = 0;
    this.longest = Math.min(LONGEST, LARGEST / (2 * rate));
  }

  /** s */
  get duration() {
    return this.length / this.rate;
  }

  get full() {
    return this.duration >= this.longest;
  }

  /** Keep samples (-1..1); gives them as they are kept. */
  add(samples) {
    const block = Int16Array.from(samples, (one) => Math.round(32767 * Math.max(-1, Math.min(1, one))));
    this.blocks.push(block);
    this.length += block.length;
    return block;
  }

  /** The samples from a time on, s. */
  from(time) {
    const first = Math.min(this.length, Math.round(time * this.rate));
    const found = new Int16Array(this.length - first);
    let end = this.length;
    for (let i = this.blocks.length - 1; i >= 0 && end > first; i -= 1) {
      const start = end - this.blocks[i].length;
      const part = this.blocks[i].subarray(Math.max(0, first - start));
      found.set(part, Math.max(start, first) - first);
      end = start;
    }
    return found;
  }

  /** A WAV file of everything. */
  wav() {
    return new Blob([wavHeader(this.rate, 1, 2 * this.length), ...this.blocks], { type: "audio/wav" });
  }
}
