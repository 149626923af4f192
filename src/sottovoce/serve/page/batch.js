// Batch: many recordings in one table, judged two at a time; to be sorted, filtered, played, opened and exported.

import { clock, corrected, cutInMiddle, percent, stretches } from "./answers.js";
import { saveCsv, saveJson, saveReports } from "./batch-export.js";
import { judge, known } from "./batch-judge.js";
import { facts, matches, sorted } from "./batch-rows.js";
import { choice, fill, make, notify } from "./dom.js";
import { still, styles, topWords, words } from "./lane.js";
import * as library from "./library.js";
import { texts } from "./texts.js";

const say = texts.batchScreen;

/** Of a recording's length: a shorter stretch is not drawn in its small lane. */
const LEAST = 1 / 300;

const SORTABLE = ["name", "emotion", "confidence", "runner", "duration", "status"];

/** Show it. Gives what ends it. */
export async function batch(main, given) {
  const page = new Batch(main, given);
  await page.open_();
  return () => page.close();
}

class Batch {
  constructor(main, given) {
    Object.assign(this, given);
    this.main = main;
    this.looks = styles(this.model);
    this.filter = { text: "", emotion: "", status: "" };
    this.sort = { column: null, descending: false };
    this.player = new Audio();
    // Lanes have many parts: they are drawn when they come into view.
    this.seen = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && this._drawLanes(entry.target)), { rootMargin: "400px" });
  }

  async open_() {
    const opened = await library.setting("batch", []);
    const all = new Map((await library.recordings()).map((one) => [one.hash, one]));
    this.together = opened.length > 0;
    const entries = this.together ? opened.filter((one) => !one.hash || all.has(one.hash)) : [...all.values()];
    const first = new Map();
    this.rows = entries.map(({ hash, name, problem }, index) => {
      const recording = all.get(hash);
      const twin = first.get(hash);
      const row = { index, hash, name, problem, recording, state: hash ? "waiting" : "failed", said: recording && known(recording, this.model.name, this.profile) };
      if (twin) Object.assign(row, { twin, sameAs: twin.recording.name });
      else if (hash) first.set(hash, row);
      return row;
    });
    this._show();
    for (const event of ["play", "pause"]) this.player.addEventListener(event, () => this._showPlaying(this.playing));
    this.player.addEventListener("error", () => this.playing && notify(texts.unsupported));
    this.quiet = library.onChange((hash) => this._renamed(hash));
    this._judge();
  }

  close() {
    this.closed = true;
    this.controller?.abort();
    this.quiet?.();
    this.seen.disconnect();
    this._play(null);
  }

  _show() {
    const picker = make("input", { type: "file", multiple: true, class: "hidden", tabindex: -1, "aria-hidden": "true", onchange: () => this.open([...picker.files]) });
    this.progress = make("div", { class: "actions batch-progress", role: "status" });
    this.exports = make("p", { class: "actions" });
    this.body = make("tbody", { onkeydown: (event) => this._key(event), onclick: (event) => this._click(event) });
    this.none = make("p", { class: "empty" });
    this.headings = Object.entries(say.columns).map(([column, name]) =>
      make("th", { scope: "col", class: ["confidence", "duration"].includes(column) ? `${column} number` : column }, SORTABLE.includes(column) ? make("button", { class: "link", onclick: () => this._sort(column) }, name) : name),
    );
    fill(
      this.main,
      make("h1", {}, texts.pages.batch),
      make(
        "div",
        { class: "studio-head" },
        make("span", { class: "quiet" }, (this.together ? say.opened : say.everything)(this.rows.length)),
        this.together && make("button", { class: "link", onclick: () => library.set("batch", []).then(() => this.go("#/batch")) }, say.showAll),
        this.modelChoice(),
        make("button", { onclick: () => picker.click() }, say.open),
        picker,
      ),
      this.progress,
      this.rows.length > 0 && this._filters(),
      this.rows.length > 0 && make("table", { class: "batch-table", "aria-label": say.list }, make("thead", {}, make("tr", {}, make("td", {}), this.headings)), this.body),
      this.none,
      this.rows.length > 0 && this.exports,
    );
    for (const row of this.rows) this._change(row, {});
    this._order();
  }

  _filters() {
    const one = (name, label, options) => choice(label, [["", say.any], ...options], { onchoose: (value) => this._filter(name, value) });
    return make(
      "div",
      { class: "studio-head batch-filters", role: "search" },
      make("label", {}, make("span", {}, say.find), make("input", { type: "text", oninput: ({ target }) => this._filter("text", target.value) })),
      one("emotion", say.emotion, this.model.labels.map((label) => [label, label])),
      one("status", say.status, Object.entries({ ...texts.statuses, ...say.states })),
    );
  }

  _filter(name, value) {
    this.filter[name] = value;
    this._order();
  }

  _sort(column) {
    this.sort = { column, descending: this.sort.column === column && !this.sort.descending };
    for (const heading of this.headings) {
      if (heading.classList.contains(column)) heading.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
    this._order();
  }

  // Put the rows that are to be shown into their order.
  _order() {
    this.shown = sorted(this.rows.map((row) => row.facts).filter((one) => matches(one, this.filter)), this.sort.column, this.sort.descending).map((one) => this.rows[one.index]);
    const elements = this.shown.map((row) => row.element);
    const same = elements.length === this.body.children.length && elements.every((one, i) => one === this.body.children[i]);
    if (!same) {
      const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
      this.body.replaceChildren(...elements);
      focused?.focus();
    }
    if (!this.shown.includes(this.current)) this._setCurrent(this.shown[0]);
    fill(this.none, this.rows.length ? (this.shown.length ? "" : say.none) : say.empty);
    this.none.hidden = this.shown.length > 0;
    this._showExports();
  }

  _orderSoon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => !this.closed && this._order());
  }

  // What is new of a row, and of its duplicates, which share what was heard.
  _change(row, news) {
    Object.assign(row, news);
    row.facts = facts(row);
    const element = this._element(row);
    if (row.element?.isConnected) {
      const control = row.element.contains(document.activeElement) ? document.activeElement.dataset.control : null;
      row.element.replaceWith(element);
      if (control) control_(element, control)?.focus();
    }
    row.element = element;
    this._showPlaying(row);
    if (row === this.current) this._setCurrent(row);
    for (const one of this.rows) if (one.twin === row) this._change(one, { ...news, sameAs: row.facts.name });
  }

  _element(row) {
    const one = row.facts;
    const cell = (name, ...children) => make("td", { class: name }, children);
    const judged = one.emotion !== null;
    const lanes = make("td", { class: "lane-cell", title: judged ? topWords(one.probabilities) : null });
    if (one.said) this.seen.observe(lanes);
    return make(
      "tr",
      { class: one.status, "data-row": row.index },
      cell("play-cell", row.hash && one.status !== "error" && make("button", { class: "play", "data-control": "play", tabindex: -1 })),
      make("th", { scope: "row", class: "name" }, row.hash ? make("a", { "data-control": "open", href: `#/r/${row.hash}`, title: one.name, tabindex: -1 }, cutInMiddle(one.name, 36)) : make("span", { title: one.name }, cutInMiddle(one.name, 36))),
      cell("emotion", judged && [make("i", { class: "dot", style: { "--colour": this.looks.get(one.emotion)?.colour ?? "transparent" } }), words(one), one.share !== null && make("span", { class: "quiet share" }, texts.ofTime(percent(one.share)))]),
      cell("confidence number", one.confidence === null ? "" : percent(one.confidence)),
      cell("runner", one.runner && `${one.runner[0]} ${percent(one.runner[1])}`),
      cell("duration number", one.duration ? clock(one.duration) : ""),
      cell("status", texts.statuses[one.status] ?? say.states[one.status], [one.sameAs && say.sameAs(one.sameAs), one.message, ...one.warnings].filter(Boolean).map((note) => make("p", { class: "quiet" }, note))),
      lanes,
    );
  }

  _drawLanes(cell) {
    this.seen.unobserve(cell);
    const one = this.rows[cell.parentElement.dataset.row].facts;
    if (!one.duration) return;
    const all = stretches(corrected(one.said.segments, one.corrections)).filter((part) => part.end - part.start > LEAST * one.duration);
    const channels = [...new Set(all.map((part) => part.channel))];
    fill(cell, channels.map((channel) => still(all.filter((part) => part.channel === channel), one.duration, this.looks, texts.lane(channel))));
  }

  async _judge() {
    const waiting = this.rows.filter((row) => row.hash && !row.said && !row.twin && row.state !== "error");
    this.controller = new AbortController();
    this.running = waiting.length > 0;
    this._showProgress();
    if (!this.running) return;
    await judge(waiting, {
      model: this.model.name,
      profile: this.profile,
      signal: this.controller.signal,
      onChange: (row, news) => {
        if (this.closed) return;
        this._change(row, news);
        this._showProgress();
        this._orderSoon();
      },
    });
    this.running = false;
    if (!this.closed) this._showProgress();
  }

  _showProgress() {
    const all = this.rows.filter((row) => row.hash && !row.twin);
    const done = all.filter((row) => row.said || row.state === "error" || (this.running && row.state === "failed")).length;
    const text = say.progress(done, all.length);
    if (this.running && this.bar) {
      this.bar.value = done;
      this.count.textContent = text;
      return;
    }
    this.bar = this.running ? make("progress", { max: all.length, value: done, "aria-label": text }) : null;
    this.count = make("span", {}, text);
    if (this.running) fill(this.progress, this.bar, this.count, make("button", { onclick: () => this.controller.abort() }, texts.cancel));
    else fill(this.progress, all.length > 0 && this.count, done < all.length && make("button", { onclick: () => this._judge() }, say.goOn));
  }

  _showExports() {
    const ready = this.shown.length > 0;
    const rows = () => this.shown.map((row) => row.facts);
    fill(
      this.exports,
      make("span", { class: "quiet" }, say.export(this.shown.length, this.rows.length)),
      make("button", { disabled: !ready, onclick: () => saveCsv(rows(), this.model.labels) }, "CSV"),
      make("button", { disabled: !ready, onclick: () => saveJson(rows()) }, "JSON"),
      make("button", { disabled: !ready, onclick: (event) => this._reports(event.target, rows()) }, say.reports),
    );
  }

  async _reports(button, rows) {
    button.disabled = true;
    try {
      await saveReports(rows, { model: this.model, card: this.card, onReport: (done, all) => (button.textContent = say.packing(done, all)) });
    } catch (error) {
      notify(error.message);
    }
    this._showExports();
  }

  async _renamed(hash) {
    const recording = hash && (await library.recording(hash));
    for (const row of this.rows) if (recording && row.hash === hash && !row.twin && !this.closed) this._change(row, { recording });
    this._orderSoon();
  }

  // One row at a time can be reached by Tab; arrows go on from there.
  _setCurrent(row) {
    for (const [one, index] of [[this.current, -1], [row, 0]]) for (const control of one?.element.querySelectorAll("a, button") ?? []) control.tabIndex = index;
    this.current = row;
  }

  _rowOf(event) {
    return this.rows[event.target.closest("tr")?.dataset.row];
  }

  _click(event) {
    const row = this._rowOf(event);
    if (!row) return;
    this._setCurrent(row);
    if (event.target.closest(".play")) this._play(row);
    else if (!event.target.closest("a") && row.hash && !String(getSelection())) this.go(`#/r/${row.hash}`);
  }

  _key(event) {
    const row = this._rowOf(event);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && row.hash && !event.target.matches("button, a")) this.go(`#/r/${row.hash}`);
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = Math.min(this.shown.length - 1, Math.max(0, this.shown.indexOf(row) + step));
    const next = this.shown[at];
    this._setCurrent(next);
    (control_(next.element, event.target.dataset.control) ?? control_(next.element, "open"))?.focus();
  }

  // One at a time: the row that plays pauses, another one begins.
  async _play(row) {
    if (row && row === this.playing && !this.player.ended) return this.player.paused ? this.player.play() : this.player.pause();
    const before = this.playing;
    this.player.pause();
    this.playing = row;
    this._showPlaying(before);
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    if (!row) return;
    this.url = URL.createObjectURL(await library.sound(row.hash));
    this.player.src = this.url;
    await this.player.play().catch(() => {});
  }

  _showPlaying(row) {
    const button = row && control_(row.element, "play");
    if (!button) return;
    const on = row === this.playing && !this.player.paused;
    button.textContent = on ? "❚❚" : "▶";
    button.setAttribute("aria-label", (on ? say.pauseOne : say.playOne)(row.facts.name));
  }
}

function control_(element, name) {
  return element.querySelector(`[data-control=${name}]`);
}
