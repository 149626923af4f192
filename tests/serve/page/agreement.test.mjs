// What models say beside each other, and what is doubtful about profiles.

import assert from "node:assert/strict";
import test from "node:test";

import { answered, disagreements } from "../../../src/sottovoce/serve/page/agreement.js";
import { doubts } from "../../../src/sottovoce/serve/page/profiles.js";
import { rowsOf } from "../../../src/sottovoce/serve/page/report-view.js";

const said = (start, end, emotion, status = emotion ? "ok" : "silence") => ({ start, end, channel: null, emotion, status });

test("models disagree where all heard an emotion and not the same, whatever their segments are", () => {
  const first = [said(0, 1, "happy"), said(1, 2, "happy"), said(2, 3, null), said(3, 4, "sad")];
  const second = [said(0, 1.5, "happy"), said(1.5, 3.5, "angry"), said(3.5, 4, "sad")];
  const { agreed, judged, found } = disagreements([{ model: "a", channel: null, segments: first }, { model: "b", channel: null, segments: second }]);
  assert.deepEqual([agreed, judged], [2, 3]);
  assert.deepEqual(found.map((one) => [one.start, one.end, one.said.map(({ emotion }) => emotion)]), [[1.5, 2, ["happy", "angry"]], [3, 3.5, ["sad", "angry"]]]);
});

test("a disagreement goes on until somebody says something else, and never across a pause", () => {
  const first = [said(0, 1, "happy"), said(1, 2, "happy"), said(2, 3, null), said(3, 4, "happy")];
  const second = [said(0, 1, "sad"), said(1, 2, "sad"), said(2, 3, null), said(3, 4, "sad")];
  const { found } = disagreements([{ model: "a", channel: 1, segments: first }, { model: "b", channel: 1, segments: second }]);
  assert.deepEqual(found.map((one) => [one.start, one.end]), [[0, 2], [3, 4]]);
});

test("the verdict is the one answer of a short recording, and the shares of a long one", () => {
  const prediction = { status: "ok", emotion: "sad", confidence: 0.7 };
  const segments = [said(0, 3, "happy"), said(3, 4, "sad")];
  assert.deepEqual(answered({ prediction, segments }, 4, 6), [["sad", 0.7, "ok"]]);
  assert.deepEqual(answered({ prediction, segments }, 60, 6), [["happy", 0.75, "ok"], ["sad", 0.25, "ok"]]);
  assert.deepEqual(answered({ prediction: { status: "silence", emotion: null }, segments: [said(0, 9, null)] }, 60, 6), [[null, null, "silence"]]);
});

test("profiles are doubted as the library doubts them", () => {
  const info = { mixed: { spread: [1, 2] }, normal: { spread: [0.4, 1.2] } };
  const of = (kind, recordings, spread) => doubts({ kind, recordings, spread }, info);
  assert.deepEqual([of("mixed", 7, 0.1), of("mixed", 8, 0.9), of("mixed", 8, 1), of("mixed", 8, null)], [["few"], ["alike"], [], []]);
  assert.deepEqual([of("normal", 2, 1.3), of("normal", 2, 1.2), of("normal", 1, null)], [["differ"], [], []]);
});

test("a report's rows follow one another from the start to the end, and are a few minutes each", () => {
  for (const duration of [0, 0.4, 150, 151, 3599.5, 40_000]) {
    const { seconds, rows } = rowsOf(duration);
    assert.equal(rows[0].from, 0);
    assert.equal(rows.at(-1).to, duration);
    rows.slice(1).forEach((row, i) => assert.equal(row.from, rows[i].to));
    assert.ok(rows.length <= 23 && rows.every((row) => row.to - row.from <= seconds + 1e-9), `${duration}`);
  }
});
