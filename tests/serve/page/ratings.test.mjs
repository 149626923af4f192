import assert from "node:assert/strict";
import { test } from "node:test";

import { Queue } from "../../../src/sottovoce/serve/page/label_queue.js";
import { counts, fileName, majority, plan, proposed, rated, ratingOf, recipe, tableRows, units, wordsOf } from "../../../src/sottovoce/serve/page/ratings.js";

const unit = (start, confidence, more = {}) => ({ hash: "a", start, end: start + 1, channel: null, heard: "sad", confidence, ratings: [], ...more });
const rating = (start, label, rater, at, more = {}) => ({ start, end: start + 1, channel: null, label, rater, at, ...more });
const starts = (queue) => queue.all.map((one) => one.start);

test("the least certain come first, and what another rater or a correction settled does not come again", () => {
  const mine = unit(5, 0.1, { ratings: [rating(5, "sad", "Anna", 7)] });
  const others = unit(6, 0.5, { ratings: [rating(6, "sad", "Ben", 8)] });
  const corrected = unit(7, 0.2, { ratings: [{ ...rating(7, "sad", "", 6), corrected: true }] });
  const queue = new Queue([unit(1, 0.9), unit(2, 0.3), mine, others, corrected], "Anna");
  assert.deepEqual(starts(queue), [7, 5, 2, 6, 1]);
  assert.equal(queue.unit.start, 2);
  assert.equal(queue.open, 3);
});

test("what is skipped waits for the end, and what is heard later joins what is still to come", () => {
  const queue = new Queue([unit(1, 0.1), unit(2, 0.4), unit(3, 0.6)], "Anna");
  queue.skip();
  assert.equal(queue.unit.start, 2);
  assert.equal(queue.join([unit(4, 0.5), unit(2.1, 0.2)]), false);
  assert.deepEqual(starts(queue), [1, 2, 4, 3]);
  for (const start of [4, 3, 1]) {
    queue.unit.ratings = [rating(queue.unit.start, "sad", "Anna", 1)];
    queue.onward();
    assert.equal(queue.unit.start, start);
  }
  queue.step(1);
  assert.equal(queue.unit.start, 2);
});

test("boundaries that one rater moved are there for the next", () => {
  const moved = rating(1.2, "sad", "Anna", 1);
  const [known, fresh] = units("a", [unit(1, 0.1), unit(2.5, 0.2)], rated({ ratings: [moved] }));
  assert.deepEqual([known.start, known.end, known.confidence], [1.2, 2.2, 0.1]);
  assert.equal(ratingOf(known, "Anna").label, "sad");
  assert.equal(fresh.start, 2.5);
});

test("long stretches are cut, short recordings are labelled whole", () => {
  const said = { prediction: { status: "ok", emotion: "sad", confidence: 0.5 }, model: "m", segments: [{ start: 0, end: 24, channel: null, status: "ok", emotion: "sad", confidence: 0.5, probabilities: {} }] };
  assert.deepEqual(proposed(said, { duration: 24, whole: false }).map((one) => [one.start, one.end]), [[0, 8], [8, 16], [16, 24]]);
  assert.deepEqual(proposed(said, { duration: 4, whole: true }).map((one) => [one.start, one.end, one.heard]), [[0, 4, "sad"]]);
  assert.deepEqual(proposed({ ...said, prediction: { status: "silence" } }, { duration: 4, whole: true }), []);
});

test("the majority decides; a rater's second word replaces the first, and the unsure have no vote", () => {
  const [stretch] = rated({ ratings: [rating(0, "sad", "A", 1), rating(0, "calm", "B", 2), rating(0.1, "calm", "A", 3), rating(0, null, "C", 4)] });
  assert.deepEqual(majority(stretch.ratings), { label: "calm", tie: false });
  assert.deepEqual(majority([rating(0, "sad", "A", 1), rating(0, "calm", "B", 2)]), { label: null, tie: true });
  assert.deepEqual(majority([rating(0, null, "A", 1)]), { label: null, tie: false });
});

test("channels are rated apart, and stretches with less than half in common", () => {
  const ratings = [rating(0, "sad", "A", 1, { channel: 1 }), rating(0, "calm", "A", 2, { channel: 2 }), rating(0.5, "happy", "A", 3, { channel: 1 })];
  assert.equal(rated({ ratings }).length, 3);
});

test("only recordings whose people agreed are in the tables, and the end of a file is left open", () => {
  const ratings = [rating(0, "sad", "A", 1), rating(1, "calm", "A", 2), rating(1, "sad", "B", 3)];
  const one = { hash: "a", ratings, corrections: [{ start: 2, end: 2.98, label: "angry", at: 1 }], shape: { duration: 3 }, speakers: { "": "Eva" } };
  const found = tableRows([{ ...one, consent: 5 }, { ...one, hash: "b" }], ({ hash }, channel) => `${hash}${channel ?? ""}.wav`);
  assert.deepEqual(found.labels.map((row) => [row.file, row.start, row.end, row.label, row.speaker, row.raters]), [["a.wav", "2.000", "", "angry", "Eva", 1], ["a.wav", "0.000", "1.000", "sad", "Eva", 1]]);
  assert.deepEqual([found.ties, found.unsure, found.ratings.length], [1, 0, 4]);
});

test("labels are any words, but none that training would not read", () => {
  assert.deepEqual(wordsOf("Happy, happy ,Stress: high;7, n/a, =x, a/b"), { words: ["happy", "stress: high"], faults: ["7", "n/a", "=x", "a/b"] });
});

test("names of files are safe and each its own, whatever the disk thinks of capitals", () => {
  const taken = new Set();
  assert.deepEqual(["../Łucja 1.mp3", "łucja 1.MP3", "=x.wav", "日本.wav", ""].map((name) => fileName(name, "wav", taken)), ["Łucja 1.wav", "łucja 1-2.wav", "x.wav", "日本.wav", "recording.wav"]);
});

test("speakers are kept apart where that can be done, and the recipe names what can be trained", () => {
  const row = (label, speaker) => ({ label, speaker });
  const rows = [row("sad", "A"), row("sad", "B"), row("happy", "A"), row("happy", "B"), row("odd", "A")];
  assert.deepEqual(plan(rows, ["happy", "sad"]), { labels: ["happy", "sad"], dropped: ["odd"], apart: true, folds: 2 });
  assert.equal(plan([...rows, row("sad", "")], []).apart, false);
  assert.equal(plan(rows.slice(1), ["sad"]), null);
  assert.match(recipe(plan(rows, []), ["x"]), /labels = \["sad", "happy"\]/);
  assert.deepEqual(counts(rows, ["happy"]), { labels: ["happy", "sad", "odd"], rows: [["A", [1, 1, 1]], ["B", [1, 1, 0]]] });
});
