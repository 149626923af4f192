// The stream of live sound to the service: opened again where it breaks, from the last second that was judged.

import { texts } from "./texts.js";

/** s before each further try. */
const PAUSES = [0.5, 1, 2, 4, 8];

/** Bytes in one message. */
const PIECE = 1_000_000;

/** s: a stream that is silent for longer is ended by the service. */
const ALIVE = 10;

const UNAUTHORISED = 4401;

/**
 * `recorded` (see `Recorded`) is what is sent; `send(block)` follows each block that was added to it.
 *
 * `onSegment(segment)` gets times of the whole recording. `onState(state, sentence)` is called with "connecting",
 * "open", "again" (it broke, and will be tried again) or "ended". `reachable()` says whether the service
 * answers at all: browsers do not tell why a stream was refused.
 */
export class LiveStream {
  constructor(address, config, recorded, { onSegment, onState, reachable, pauses = PAUSES }) {
    Object.assign(this, { address, config, recorded, onSegment, onState, reachable, pauses });
    this.judged = 0;
    this.tries = 0;
    this.alive = setInterval(() => this.send(new Int16Array()), 1000 * ALIVE);
  }

  /** Connect; also after it ended. */
  open() {
    this.onState("connecting", "");
    this.ready = false;
    this.problem = "";
    const socket = new WebSocket(this.address);
    this.socket = socket;
    let accepted = false;
    socket.onopen = () => {
      accepted = true;
      socket.send(JSON.stringify({ type: "config", encoding: "pcm16", sample_rate: this.recorded.rate, ...this.config }));
    };
    socket.onmessage = ({ data }) => this._take(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this._closed(code, accepted);
  }

  /** Send a block that was recorded; those before the service is ready are sent then. */
  send(block) {
    if (this.ready) this.socket.send(block);
  }

  /** Nothing more comes. */
  end() {
    clearInterval(this.alive);
    clearTimeout(this.waiting);
    const socket = this.socket;
    this.socket = null;
    if (this.ready) socket.send(JSON.stringify({ type: "finish" }));
    else socket?.close();
    this.ready = false;
  }

  _take(message) {
    if (!this.socket) return;
    if (message.type === "ready") {
      this.tries = 0;
      this.from = this.judged;
      const missed = this.recorded.from(this.from);
      for (let i = 0; i < missed.length; i += PIECE / 2) this.socket.send(missed.subarray(i, i + PIECE / 2));
      this.ready = true;
      this.onState("open", "");
    } else if (message.type === "measurement") {
      const { type, ...segment } = message;
      const moved = { ...segment, start: this.from + segment.start, end: this.from + segment.end };
      this.judged = moved.end;
      this.onSegment(moved);
    } else if (message.type === "error" && !["idle", "stopping"].includes(message.code)) {
      this.problem = message.message;
      if (!this.ready) this.socket.close(); // a config that cannot be used will not be better the next time
    }
  }

  async _closed(code, accepted) {
    this.ready = false;
    if (code === UNAUTHORISED) return this._ended(texts.stream.key);
    if (this.problem) return this._ended(this.problem);
    const busy = !accepted && (await this.reachable());
    if (!this.socket) return;
    const sentence = busy ? texts.stream.busy : texts.stream.lost;
    if (this.tries === this.pauses.length) return this._ended(sentence);
    this.onState("again", sentence);
    this.waiting = setTimeout(() => this.open(), 1000 * this.pauses[this.tries]);
    this.tries += 1;
  }

  _ended(sentence) {
    this.tries = 0;
    this.onState("ended", sentence);
  }
}
