// One recording: what was heard, on one time axis, to be played, looked into and corrected.

import { hear, load, monoSeconds } from "./analysis.js";
import { clock, corrected, csv, JUDGED, percent, relabelled, rightness, shares, SHORT, stretches, top } from "./answers.js";
import { wav } from "./audio.js";
import { answer, ask, fill, make, notify, save } from "./dom.js";
import * as library from "./library.js";
import { styles, topWords, words } from "./lane.js";
import { texts } from "./texts.js";
import { Track } from "./track.js";
import { showWhy } from "./why.js";

/** ms between two drawings of a lane that is being worked out. */
const DRAWN_EVERY = 1000;

/** ms that decoding waits at most for the first segments: sending the recording and hearing it want the processor too. */
const HEARD_FIRST = 1000;

/** Show a recording; `at` is where the playhead begins, s. Gives what ends it. */
export async function studio(main, { hash, at = 0, model, card, tested, profile, modelChoice, tuneIn }) {
  const recording = await library.recording(hash);
  if (!recording) {
    fill(main, make("p", { class: "empty" }, texts.noSuch));
    return () => {};
  }
  const page = new Studio(main, recording, { model, card, tested, profile, modelChoice, tuneIn });
  await page.open(at);
  return () => page.close();
}

class Studio {
  constructor(main, recording, given) {
    Object.assign(this, given);
    this.main = main;
    this.recording = recording;
    this.looks = styles(this.model);
    this.corrections = recording.corrections ?? [];
    this.least = null;
    this.filter = null;
    this.segments = [];
    this.controller = new AbortController();
    this.keys = (event) => this._key(event);
  }

  async open(at) {
    this.media = make("audio", { preload: "auto" });
    this.head = make("div", { class: "studio-head" });
    this.verdict = make("div", { class: "verdict", "aria-live": "polite" });
    this.trackPlace = make("div", { class: "track-place" });
    this.controls = make("div", { class: "controls", role: "toolbar", "aria-label": texts.play });
    this.panel = make("div", { class: "why-panel", "aria-live": "polite" });
    this.list = make("ol", { class: "stretches", "aria-label": texts.stretches });
    fill(this.main, this.head, this.verdict, this.trackPlace, this.controls, this.panel, make("h2", {}, texts.stretches), this.list);
    this._showHead();
    fill(this.verdict, make("p", { class: "quiet" }, texts.hearing(this.recording.name)), make("progress", {}), make("button", { onclick: () => this.controller.abort() }, texts.cancel));
    document.addEventListener("keydown", this.keys);
    let loaded;
    let hearing = null;
    try {
      const duration = await monoSeconds(this.recording);
      if (duration !== null && !this.closed) {
        hearing = this._hear(false);
        hearing.catch(() => {}); // it is awaited below
        if (!this.recording.shape) {
          await this._showUndecoded(duration);
          const tired = new Promise((resolve) => setTimeout(resolve, duration > SHORT ? HEARD_FIRST : 0));
          await Promise.race([this.begun, hearing.catch(() => {}), tired]);
        }
      }
      loaded = await load(this.recording);
    } catch (error) {
      fill(this.verdict, make("p", { class: "problem" }, error.message));
      return;
    }
    if (this.closed) return;
    Object.assign(this, loaded);
    this._makeTrack(this.shape);
    this._showControls();
    try {
      const said = await (hearing ?? this._hear(this.split));
      if (this.closed) return;
      this.said = said;
      this.segments = said.segments;
      this._show();
    } catch (error) {
      if (this.closed) return;
      fill(this.verdict, make("p", { class: "problem" }, error.name === "AbortError" ? texts.cancelled : error.message));
    }
    if (at) this.track.seek(at);
  }

  // The lane can be seen before the waveform is.
  async _showUndecoded(duration) {
    this.blob = await library.sound(this.recording.hash);
    if (!this.closed) this._makeTrack({ duration, peaks: [new Float32Array(2)] });
  }

  _makeTrack(shape) {
    if (!this.url) {
      this.url = URL.createObjectURL(this.blob);
      this.media.src = this.url;
      this.media.addEventListener("error", () => notify(texts.unsupported), { once: true });
      this.media.addEventListener("play", () => this._showControls());
      this.media.addEventListener("pause", () => this._showControls());
    }
    this.track?.destroy();
    this.track = new Track(shape, this.media, {
      onTime: (time) => this._follow(time),
      onSelect: (start, end) => this._play(start, end),
    });
    fill(this.trackPlace, this.track.element);
    if (this.segments.length) this._showTrack();
  }

  async _hear(split) {
    let begin;
    this.begun = new Promise((resolve) => (begin = resolve));
    return hear(this.recording, this.blob ?? (await library.sound(this.recording.hash)), {
      model: this.model.name,
      profile: this.profile,
      split,
      signal: this.controller.signal,
      onSegments: (segments) => {
        this._draw(() => (this.segments = segments));
        begin();
      },
    });
  }

  close() {
    this.closed = true;
    clearTimeout(this.drawing);
    this.controller.abort();
    document.removeEventListener("keydown", this.keys);
    this.media?.pause();
    this.track?.destroy();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  // Segments with the threshold and the corrections of this page.
  get labelled() {
    const known = this.least === null ? this.segments : relabelled(this.segments, this.least);
    return corrected(known, this.corrections);
  }

  // What comes while it is worked out is drawn now and then: drawing takes time from the work.
  _draw(update) {
    update();
    if (this.drawing || !this.track) return;
    this._showTrack();
    this.drawing = setTimeout(() => {
      this.drawing = null;
      if (!this.said) this._showTrack();
    }, DRAWN_EVERY);
  }

  _show() {
    this._showVerdict();
    this._showTrack();
    this._showList();
    this._showControls();
  }

  _showHead() {
    const name = make("input", { class: "name", value: this.recording.name, "aria-label": texts.called, onchange: () => this._rename(name.value) });
    fill(
      this.head,
      make("h1", { class: "hidden" }, this.recording.name),
      name,
      this.modelChoice(),
      make("button", { id: "tune", onclick: () => this.tuneIn(this.recording), "aria-pressed": this.profile ? "true" : "false" }, this.profile ? `${texts.tune}: ${this.profile.name}` : texts.tune),
      make("button", { onclick: () => this._export() }, texts.export),
      make("button", { onclick: () => this._share() }, texts.share),
    );
  }

  async _rename(name) {
    this.recording = await library.change(this.recording.hash, () => ({ name: name.trim() || this.recording.name }));
  }

  _showVerdict() {
    const { prediction, summary } = this.said;
    const notes = [...(prediction.warnings ?? []), ...(summary?.warnings ?? [])].map((one) => one.message ?? String(one));
    const warnings = notes.length ? make("ul", { class: "warnings", "aria-label": texts.warnings }, [...new Set(notes)].map((note) => make("li", {}, note))) : null;
    if (this.shape.duration <= SHORT || !this.segments.length) {
      fill(this.verdict, this._oneAnswer(prediction), warnings);
      return;
    }
    const found = shares(this.labelled);
    const chip = (label, share) =>
      make(
        "button",
        { class: "chip", "aria-pressed": this.filter === label ? "true" : "false", style: { "--colour": this.looks.get(label)?.colour ?? "gray" }, onclick: () => this._filter(label) },
        label && make("i", { class: "dot" }),
        label ?? texts.all,
        share === null ? "" : make("b", {}, percent(share)),
      );
    fill(
      this.verdict,
      make("div", { class: "chips", role: "group", "aria-label": texts.shares }, chip(null, null), found.map(([label, share]) => chip(label, share))),
      found.length ? null : make("p", {}, words(prediction)),
      warnings,
    );
  }

  _oneAnswer(prediction) {
    const least = this.least ?? this.card.min_confidence;
    const judged = JUDGED.has(prediction.status);
    const status = judged ? (prediction.confidence >= least ? "ok" : "uncertain") : prediction.status;
    const right = rightness(this.tested?.reliability, prediction.confidence);
    const others = top(prediction.probabilities).slice(1);
    return make(
      "div",
      { class: `answer ${status}`, style: { "--colour": this.looks.get(prediction.emotion)?.colour ?? "transparent" } },
      make("p", { class: "emotion" }, judged ? words({ ...prediction, status }) : prediction.message || words({ ...prediction, emotion: null })),
      judged && make("p", {}, `${texts.sure(percent(prediction.confidence))}; ${others.map(([label, share]) => `${label} ${percent(share)}`).join(", ")}`),
      judged && make("p", { class: "quiet" }, right === null ? texts.noRight : texts.right(percent(right))),
    );
  }

  _filter(label) {
    this.filter = this.filter === label ? null : label;
    this._show();
  }

  _showTrack() {
    const labelled = this.labelled;
    const channels = [...new Set(labelled.map((one) => one.channel ?? null))];
    this.byChannel = channels.map((channel) => {
      const segments = labelled.filter((one) => (one.channel ?? null) === channel);
      return { channel, segments, stretches: stretches(segments) };
    });
    this.track.show(this.byChannel, this.looks, {
      filter: this.filter,
      choose: (one, how) => (how === "click" ? this._play(one.start, one.end) : this.track.seek(one.start)),
    });
  }

  _showList() {
    const all = stretches(this.labelled).filter((one) => one.emotion !== null && (!this.filter || one.emotion === this.filter));
    this.rows = all.map((one) => {
      const look = this.looks.get(one.emotion);
      return make(
        "li",
        { "data-start": one.start, "data-end": one.end, class: one.status, style: { "--colour": look?.colour ?? "gray" } },
        make("button", { class: "play", "aria-label": texts.playStretch(clock(one.start), clock(one.end), words(one)), onclick: () => this._play(one.start, one.end) }, "▶"),
        make("span", { class: "time" }, `${clock(one.start)}–${clock(one.end)}`, one.channel === null ? "" : ` · ${one.channel}`),
        make("span", { class: "what", title: topWords(one.probabilities) }, make("i", { class: "dot" }), words(one), one.corrected ? " ✎" : ""),
        make("span", { class: "meter", title: percent(one.confidence) }, make("i", { style: { width: `${100 * one.confidence}%` } })),
        make("span", { class: "quiet" }, percent(one.confidence)),
        make("button", { class: "link", onclick: () => this._why(one) }, texts.why),
        make("button", { class: "link", onclick: () => this._correct(one) }, texts.correct),
      );
    });
    fill(this.list, this.rows);
    this._follow(this.track.time);
  }

  _showControls() {
    const playing = !this.media.paused;
    const least = this.least ?? this.card.min_confidence;
    const output = make("output", {}, percent(least));
    const slider = make("input", {
      type: "range", min: 0, max: 1, step: 0.01, value: least, id: "least",
      oninput: ({ target }) => {
        this.least = Number(target.value);
        output.textContent = percent(this.least);
        this._showVerdict();
        this._showTrack();
        this._showList();
      },
    });
    if (this.controls.contains(document.activeElement) && document.activeElement.id === "least") return;
    fill(
      this.controls,
      make("button", { class: "primary", "data-control": "play", onclick: () => this._toggle() }, playing ? texts.pause : texts.play),
      make("button", { "aria-pressed": this.loop ? "true" : "false", onclick: () => this._loop() }, texts.loop),
      make("button", { "aria-label": texts.zoomOut, onclick: () => this.track.zoomBy(0.5) }, "−"),
      make("button", { "aria-label": texts.zoomIn, onclick: () => this.track.zoomBy(2) }, "+"),
      make("label", { for: "least" }, texts.threshold),
      slider,
      output,
      make("button", { onclick: () => this._help() }, texts.help),
    );
  }

  _toggle() {
    this.until = null;
    if (this.media.paused) this.media.play();
    else this.media.pause();
  }

  _play(start, end) {
    this.until = { start, end };
    this.track.mark(start, end);
    this.track.seek(start);
    this.media.play().catch(() => notify(texts.unsupported));
  }

  _loop() {
    this.loop = !this.loop;
    const here = this._here();
    if (this.loop && here) this._play(here.start, here.end);
    this._showControls();
  }

  // The stretch at the playhead, of the first channel that has one.
  _here(time = this.track.time) {
    for (const { stretches: all } of this.byChannel ?? []) {
      const found = all.find((one) => one.start <= time && time < one.end);
      if (found) return found;
    }
    return null;
  }

  _follow(time) {
    if (this.until && time >= this.until.end - 0.01 && !this.media.paused) {
      if (this.loop) this.track.seek(this.until.start);
      else {
        this.media.pause();
        this.until = null;
      }
    }
    const now = this.rows?.find((row) => Number(row.dataset.start) <= time && time < Number(row.dataset.end));
    if (now === this.now) return;
    this.now?.removeAttribute("aria-current");
    this.now = now;
    if (!now) return;
    now.setAttribute("aria-current", "true");
    if (!this.media.paused) now.scrollIntoView({ block: "nearest" });
  }

  _key(event) {
    const target = event.target;
    if (target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey || !this.track) return;
    const act = this._actions(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  _actions(event) {
    const step = event.shiftKey ? 10 : 1;
    const number = /^[1-9]$/.test(event.key) ? Number(event.key) : 0;
    if (number) return () => this._relabel(this._here(), this.model.labels[number - 1]);
    if (event.key === " " && event.target.closest("button, a")) return null;
    return {
      " ": () => this._toggle(),
      ArrowLeft: () => this.track.seek(this.track.time - step),
      ArrowRight: () => this.track.seek(this.track.time + step),
      ArrowUp: () => this._neighbour(-1),
      ArrowDown: () => this._neighbour(1),
      l: () => this._loop(),
      u: () => this._undo(),
      "+": () => this.track.zoomBy(2),
      "-": () => this.track.zoomBy(0.5),
      "?": () => this._help(),
    }[event.key];
  }

  _neighbour(step) {
    const all = this.rows ?? [];
    const time = this.track.time + 1e-3;
    const at = all.findLastIndex((row) => Number(row.dataset.start) <= time);
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    if (next) this.track.seek(Number(next.dataset.start));
  }

  async _relabel(one, label) {
    if (!one || !label) return;
    this.corrections = [...this.corrections, { start: one.start, end: one.end, channel: one.channel, label, heard: one.emotion, at: Date.now() }];
    await this._keepCorrections();
    notify(texts.correctedTo(label), { name: texts.undo, run: () => this._undo() });
  }

  async _undo() {
    this.corrections = this.corrections.slice(0, -1);
    await this._keepCorrections();
  }

  async _keepCorrections() {
    await library.change(this.recording.hash, () => ({ corrections: this.corrections }));
    this._show();
  }

  async _correct(one) {
    this._play(one.start, one.end);
    const label = await ask(
      make("h2", {}, texts.correctTitle(clock(one.start), clock(one.end))),
      make("div", { class: "labels" }, this.model.labels.map((name, i) => make("button", { style: { "--colour": this.looks.get(name).colour }, onclick: () => answer(name) }, make("kbd", {}, String(i + 1)), " ", name))),
      make("p", { class: "actions" }, make("button", { onclick: () => answer() }, texts.cancel)),
    );
    if (label) await this._relabel(one, label);
  }

  async _why(one) {
    const from = Math.max(0, one.start);
    const to = Math.min(one.end, from + 10);
    const sound = this.decoded ? wav(this._channelsOf(one), this.decoded.rate, from, to) : this.blob;
    await showWhy(this.panel, sound, { from, model: this.model.name, profile: this.profile, label: one.corrected ? null : one.emotion, play: (start, end) => this._play(start, end) });
  }

  _channelsOf(one) {
    return one.channel === null ? this.decoded.channels : [this.decoded.channels[one.channel - 1]];
  }

  _help() {
    return ask(
      make("h2", {}, texts.help),
      make("dl", { class: "keys" }, texts.keys.map(([key, what]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)])),
      make("p", { class: "actions" }, make("button", { onclick: () => answer() }, texts.close)),
    );
  }

  async _export() {
    const kind = await ask(
      make("h2", {}, texts.export),
      make("p", { class: "actions" }, ["CSV", "JSON"].map((name) => make("button", { onclick: () => answer(name) }, name)), make("button", { onclick: () => answer() }, texts.cancel)),
    );
    const name = this.recording.name.replace(/\.[^.]*$/, "");
    if (kind === "JSON") save(`${name}.json`, JSON.stringify({ name: this.recording.name, model: this.said.model, prediction: this.said.prediction, segments: this.labelled, summary: this.said.summary, corrections: this.corrections }, null, 1), "application/json");
    if (kind !== "CSV") return;
    const labels = this.model.labels;
    const rows = this.labelled.map((one) => [one.start, one.end, one.channel, one.status, one.emotion, one.confidence, ...labels.map((label) => one.probabilities?.[label])]);
    save(`${name}.csv`, csv([["start", "end", "channel", "status", "emotion", "confidence", ...labels], ...rows]), "text/csv");
  }

  async _share() {
    const { report } = await import("./report.js");
    const { prediction } = this.said;
    const said = { ...this.said, prediction: this.least === null ? prediction : relabelled([prediction], this.least)[0], segments: this.labelled };
    await report({ name: this.recording.name, shape: this.shape, said, model: this.model, card: this.card, tested: this.tested, profile: this.profile, blob: this.blob });
  }
}
