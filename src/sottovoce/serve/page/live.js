// Live: what the microphone hears, judged while somebody speaks; stopping makes it a recording.

import { clock, JUDGED, percent, stretches } from "./answers.js";
import * as api from "./api.js";
import { fill, make, notify } from "./dom.js";
import { still, styles, words } from "./lane.js";
import * as library from "./library.js";
import { LiveStream } from "./live-stream.js";
import { openMicrophone } from "./microphone.js";
import { Recorded } from "./recorded.js";
import { texts } from "./texts.js";

/** s that the lane shows. */
const SHOWN = 60;

/** s from which on it is said that the service is behind; a label comes 1.3 s after its segment began, by design. */
const BEHIND = 4;

/** dB of full scale at the left end of the level. */
const QUIETEST = -60;

/** s; less is not worth keeping when somebody leaves. */
const LEAST = 0.5;

const say = texts.liveScreen;

/** Show it. Gives what ends it: what was recorded by then is kept. */
export async function live(main, given) {
  const page = new Live(main, given);
  page.show();
  return () => page.close();
}

class Live {
  constructor(main, given) {
    Object.assign(this, given);
    this.main = main;
    this.looks = styles(this.model);
    this.state = "idle"; // idle, asking, on, paused, over
    this.segments = [];
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.leaving = (event) => this.recorded && event.preventDefault();
  }

  show() {
    this.head = make("div", { class: "studio-head" });
    this.problem = make("p", { class: "problem", role: "alert" });
    this.emotion = make("p", { class: "emotion", "aria-live": "polite" });
    this.sure = make("p", { class: "quiet" });
    this.answer = make("div", { class: "answer live-answer" }, this.emotion, this.sure);
    this.bar = make("i", {});
    this.meter = make("div", { class: "meter", role: "meter", "aria-label": say.level, "aria-valuemin": QUIETEST, "aria-valuemax": 0 }, this.bar);
    this.loudness = make("span", { class: "quiet" });
    this.status = make("span", { class: "quiet" });
    this.time = make("span", { class: "time" });
    this.moving = make("div", { class: "live-moving" });
    this.controls = make("div", { class: "controls", role: "toolbar", "aria-label": texts.pages.live });
    this.probabilities = make("ul", { class: "live-probabilities", "aria-label": say.probabilities });
    this.stage = make(
      "section",
      { hidden: true },
      make("div", { class: "live-level" }, make("span", { class: "quiet" }, say.level), this.meter, this.loudness),
      this.answer,
      make("div", { class: "track live-lane" }, this.moving),
      make("p", { class: "live-axis quiet" }, make("span", {}, say.ago), make("span", {}, say.now)),
      this.probabilities,
    );
    fill(this.main, make("h1", {}, texts.pages.live), make("p", { class: "quiet" }, say.about), this.head, this.controls, this.problem, this.stage);
    this._showHead();
    this._showControls();
  }

  async close() {
    window.removeEventListener("beforeunload", this.leaving);
    this.closed = true;
    this._end();
    const recorded = this.recorded;
    this.recorded = null;
    if (!recorded || recorded.duration < LEAST) return;
    const file = this._file(recorded);
    const kept = library.digest(file).then((hash) => library.add(file, { name: file.name }, hash));
    await kept.then(() => notify(say.kept(file.name)), (error) => notify(error.message));
  }

  async _start() {
    if (this.state !== "idle") return;
    this._setState("asking");
    fill(this.problem);
    let microphone;
    try {
      microphone = await openMicrophone(this.card.sample_rate, {
        onBlock: (samples) => this._hear(samples),
        onLost: () => this._over(texts.microphone.lost),
      });
    } catch (error) {
      fill(this.problem, error.message);
      this._setState("idle");
      return;
    }
    if (this.closed) {
      microphone.close();
      return;
    }
    this.microphone = microphone;
    this.recorded = new Recorded(microphone.rate);
    this.segments = [];
    window.addEventListener("beforeunload", this.leaving);
    const config = { model: this.model.name, key: api.currentKey() || undefined, profile: this.profile?.content };
    this.stream = new LiveStream(api.streamAddress(), config, this.recorded, {
      onSegment: (segment) => this._judged(segment),
      onState: (state, sentence) => this._connection(state, sentence),
      reachable: () => fetch("healthz").then(({ ok }) => ok, () => false),
    });
    this.stream.open();
    this.stage.hidden = false;
    this._showSegment(null);
    this._showLane();
    this._setState("on");
    this._draw();
  }

  async _pause() {
    if (this.state === "on") await this.microphone.pause();
    else await this.microphone.resume();
    if (this.state === "over") return;
    this._setState(this.state === "on" ? "paused" : "on");
    this._showLevel(null);
  }

  async _stop() {
    const recorded = this.recorded;
    this.recorded = null;
    this._end();
    window.removeEventListener("beforeunload", this.leaving);
    if (!recorded?.length) {
      fill(this.problem, say.empty);
      this._setState("idle");
      return;
    }
    await this.open([this._file(recorded)]);
  }

  // Listening has ended by itself; what was recorded waits to be opened.
  _over(sentence) {
    if (!this.microphone) return;
    this._end();
    fill(this.problem, sentence);
    this._setState("over");
  }

  _end() {
    this.microphone?.close();
    this.stream?.end();
    this.microphone = this.stream = null;
    cancelAnimationFrame(this.frame);
  }

  _file(recorded) {
    return new File([recorded.wav()], say.name(new Date()), { type: "audio/wav" });
  }

  _hear(samples) {
    if (!this.microphone) return;
    this.stream.send(this.recorded.add(samples));
    this.latest = samples;
    if (this.recorded.full) this._over(say.full(Math.round(this.recorded.duration / 60)));
  }

  _judged(segment) {
    this.segments = [...this.segments.filter((one) => one.end > this.recorded.duration - 2 * SHOWN), segment];
    this._showSegment(segment);
    this._showLane();
  }

  _connection(state, sentence) {
    this.connection = state;
    const next = { again: say.again, ended: say.goesOn }[state] ?? "";
    fill(this.problem, sentence && `${sentence} ${next} `, state === "ended" && make("button", { class: "link", onclick: () => this.stream.open() }, say.reconnect));
    this._showStatus();
  }

  _setState(state) {
    this.state = state;
    this._showHead();
    this._showControls();
  }

  _showHead() {
    const busy = !["idle", "over"].includes(this.state);
    fill(
      this.head,
      this.modelChoice({ disabled: busy }),
      this.profile && make("span", { class: "quiet" }, say.tuned(this.profile.name)),
    );
  }

  _showControls() {
    const running = this.state === "on" || this.state === "paused";
    fill(
      this.controls,
      (this.state === "idle" || this.state === "asking") && make("button", { class: "primary", "aria-disabled": this.state === "asking" ? "true" : null, onclick: () => this._start() }, say.start),
      (running || this.state === "over") && make("button", { class: "primary", onclick: () => this._stop() }, say.stop),
      running && make("button", { "aria-pressed": this.state === "paused" ? "true" : "false", onclick: () => this._pause() }, this.state === "paused" ? say.resume : texts.pause),
      this.time,
      this.status,
    );
    this._showStatus();
  }

  _showStatus() {
    const behind = this.stream ? this.recorded.duration - this.stream.judged : 0;
    const on = this.connection === "open" ? (behind > BEHIND ? say.behind(Math.round(behind)) : say.listening) : this.connection === "connecting" ? say.connecting : "";
    put(this.status, { asking: say.asking, paused: say.paused, on }[this.state] ?? "");
    put(this.time, this.recorded ? clock(this.recorded.duration) : "");
  }

  // With each picture: the level, the time, and the lane as far as it has moved on.
  _draw() {
    this.frame = requestAnimationFrame(() => this._draw());
    if (this.state === "paused") return;
    this._showStatus();
    if (this.latest) this._showLevel(this.latest);
    this.latest = null;
    if (!this.still) this.moving.style.transform = `translateX(${(-100 * (this.recorded.duration - this.drawn)) / SHOWN}%)`;
  }

  _showLane() {
    this.drawn = this.recorded.duration;
    const from = this.drawn - SHOWN;
    const shown = stretches(this.segments).filter((one) => one.end > from);
    fill(this.moving, still(shown.map((one) => ({ ...one, start: one.start - from, end: one.end - from })), SHOWN, this.looks, `${say.lane}: ${shown.slice(-5).map(words).join(", ")}`));
    this.moving.style.transform = "";
  }

  _showLevel(samples) {
    let [sum, peak] = [0, 0];
    for (const one of samples ?? []) {
      sum += one * one;
      peak = Math.max(peak, Math.abs(one));
    }
    const level = sum > 0 ? Math.round(Math.max(QUIETEST, 10 * Math.log10(sum / samples.length))) : null;
    this.bar.style.width = `${100 * (1 - (level ?? QUIETEST) / QUIETEST)}%`;
    this.meter.setAttribute("aria-valuenow", level ?? QUIETEST);
    put(this.loudness, samples ? (peak >= 0.99 ? say.tooLoud : say.levelWords(level)) : "");
  }

  _showSegment(segment) {
    const judged = segment !== null && JUDGED.has(segment.status);
    this.answer.className = `answer live-answer ${segment?.status ?? "silence"}`;
    this.answer.style.setProperty("--colour", (judged && this.looks.get(segment.emotion)?.colour) || "transparent");
    put(this.emotion, segment ? words(segment) : say.nothing);
    put(this.sure, judged ? texts.sure(percent(segment.confidence)) : "");
    fill(
      this.probabilities,
      this.model.labels.map((label) => {
        const share = judged ? segment.probabilities[label] : 0;
        return make(
          "li",
          { style: { "--colour": this.looks.get(label).colour } },
          make("span", {}, make("i", { class: "dot" }), label),
          make("span", { class: "meter" }, make("i", { style: { width: `${100 * share}%` } })),
          make("span", { class: "quiet" }, judged ? percent(share) : ""),
        );
      }),
    );
  }
}

// Screen readers hear of it only where it changes.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
