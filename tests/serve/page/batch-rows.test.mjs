// What a table of recordings says of each, its order, and its files.

import assert from "node:assert/strict";
import test from "node:test";

import { verdict } from "../../../src/sottovoce/serve/page/answers.js";
import { cells, facts, fileNames, matches, sorted } from "../../../src/sottovoce/serve/page/batch-rows.js";

const segment = (start, emotion, confidence = 0.8) => ({
  start, end: start + 1, channel: null, status: "ok", emotion, confidence,
  probabilities: { happy: emotion === "happy" ? confidence : 1 - confidence, sad: emotion === "sad" ? confidence : 1 - confidence },
});
const said = (duration, segments, prediction = {}) => ({
  model: "tiny 1.0", segments, summary: { warnings: [{ message: "cut" }] },
  prediction: { status: "ok", emotion: "sad", confidence: 0.6, probabilities: { happy: 0.4, sad: 0.6 }, duration, message: "", warnings: [{ message: "cut" }], ...prediction },
});

test("a short recording has its own answer, a longer one the emotion with the largest share", () => {
  const segments = [segment(0, "happy"), segment(1, "happy", 0.6), segment(2, "sad")];
  const short = verdict(said(3, segments));
  assert.deepEqual([short.emotion, short.confidence, short.share, short.runner], ["sad", 0.6, null, ["happy", 0.4]]);
  const long = verdict(said(9, segments));
  assert.deepEqual([long.emotion, long.share, long.runner[0]], ["happy", 2 / 3, "sad"]);
  assert.ok(Math.abs(long.confidence - (2 / 3) * (2.2 / 3) - (1 / 3) * (0.8 / 3)) < 1e-9);
  assert.deepEqual(long.warnings, ["cut"]);
});

test("a correction counts in the share of the time", () => {
  const segments = [segment(0, "happy"), segment(1, "happy"), segment(2, "sad")];
  assert.equal(verdict(said(9, segments), [{ start: 0, end: 1, channel: null, label: "sad" }]).emotion, "sad");
});

test("a recording without an answer says why, and an uncertain one needs no reason", () => {
  const silent = verdict(said(3, [], { status: "silence", emotion: null, confidence: null, probabilities: {}, message: "it is silent" }));
  assert.deepEqual([silent.status, silent.message, silent.runner], ["silence", "it is silent", null]);
  assert.equal(verdict(said(3, [], { status: "uncertain", message: "no emotion stands out" })).message, "");
});

test("lengths are sorted as numbers, and what has none comes last either way", () => {
  const rows = [10, null, 9, 100].map((duration, index) => ({ index, duration, name: `${duration}` }));
  assert.deepEqual(sorted(rows, "duration", false).map((one) => one.duration), [9, 10, 100, null]);
  assert.deepEqual(sorted(rows, "duration", true).map((one) => one.duration), [100, 10, 9, null]);
  const names = ["take 10.wav", "Take 9.wav", "a.wav"].map((name, index) => ({ index, name }));
  assert.deepEqual(sorted(names, "name", false).map((one) => one.name), ["a.wav", "Take 9.wav", "take 10.wav"]);
  assert.equal(sorted(rows, null, false), rows);
});

test("a filter finds names in any case, and duplicates as a status of their own", () => {
  const row = { name: "Anna.wav", emotion: "sad", status: "ok", sameAs: "Bert.wav" };
  assert.ok(matches(row, { text: "anna", emotion: "sad", status: "ok" }));
  assert.ok(matches(row, { status: "duplicate" }));
  assert.ok(!matches(row, { text: "bert" }));
  assert.ok(!matches(row, { status: "error" }));
});

test("every row is in the table, under the name that its recording has now", () => {
  const recording = { name: "Anna", corrections: [], duration: 3 };
  const rows = [
    { index: 0, hash: "a", name: "first.wav", recording, said: said(3, []) },
    { index: 1, hash: "a", name: "second.wav", recording, said: said(3, []), sameAs: "Anna" },
    { index: 2, hash: "b", name: "bad.wav", recording: { name: "bad.wav" }, said: null, state: "error", problem: "no sound" },
    { index: 3, hash: null, name: "gone.wav", recording: undefined, said: undefined, state: "failed", problem: "cannot be read" },
  ].map(facts);
  const [head, ...lines] = cells(rows, ["happy", "sad"]);
  const column = (name) => lines.map((line) => line[head.indexOf(name)]);
  assert.ok(lines.every((line) => line.length === head.length));
  assert.deepEqual(column("name"), ["Anna", "second.wav", "bad.wav", "gone.wav"]);
  assert.deepEqual(column("status"), ["ok", "ok", "error", "failed"]);
  assert.deepEqual(column("duplicate_of"), [undefined, "Anna", undefined, undefined]);
  assert.deepEqual(column("message").slice(2), ["no sound", "cannot be read"]);
});

test("no two reports have one name, and none leaves its folder", () => {
  assert.deepEqual(fileNames(["a.wav", "A.mp3", "../../x.wav", "a:b.wav", ".wav"], "html"), ["a.html", "A (2).html", "__.._x.html", "a_b.html", "_.html"]);
});
