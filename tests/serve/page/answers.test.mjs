// The pure functions of the page: run with `node --test tests/serve/page/`.

import assert from "node:assert/strict";
import test from "node:test";

import { clock, corrected, csv, cutInMiddle, krippendorff, relabelled, rightness, shares, stretches } from "../../../src/sottovoce/serve/page/answers.js";

const said = (start, emotion, confidence = 0.8, more = {}) => ({
  start, end: start + 1, channel: null, status: confidence < 0.5 ? "uncertain" : "ok", emotion, confidence,
  probabilities: { happy: emotion === "happy" ? confidence : 1 - confidence, sad: emotion === "sad" ? confidence : 1 - confidence }, ...more,
});
const silent = (start) => ({ start, end: start + 1, channel: null, status: "silence", emotion: null, confidence: null, probabilities: {} });

test("neighbours that say the same are one stretch, and a pause parts them", () => {
  const found = stretches([said(0, "happy"), said(1, "happy", 0.6), silent(2), said(3, "happy"), said(4, "sad")]);
  assert.deepEqual(found.map((one) => [one.start, one.end, one.emotion]), [[0, 2, "happy"], [2, 3, null], [3, 4, "happy"], [4, 5, "sad"]]);
  assert.ok(Math.abs(found[0].confidence - 0.7) < 1e-9);
  assert.equal(found[1].confidence, null);
});

test("channels are followed apart", () => {
  const found = stretches([said(0, "happy", 0.8, { channel: 1 }), said(0, "sad", 0.8, { channel: 2 }), said(1, "happy", 0.8, { channel: 1 }), said(1, "sad", 0.8, { channel: 2 })]);
  assert.deepEqual(found.map((one) => [one.channel, one.start, one.end]), [[1, 0, 2], [2, 0, 2]]);
});

test("a threshold moves answers between sure and unsure, and leaves silence alone", () => {
  const segments = [said(0, "happy", 0.9), said(1, "sad", 0.4), silent(2)];
  assert.deepEqual(relabelled(segments, 0.3).map((one) => one.status), ["ok", "ok", "silence"]);
  assert.deepEqual(relabelled(segments, 0.95).map((one) => one.status), ["uncertain", "uncertain", "silence"]);
});

test("shares are of the time in which an emotion was heard", () => {
  assert.deepEqual(shares([said(0, "happy"), said(1, "happy"), said(2, "sad"), said(3, "sad", 0.2), silent(4)]), [["happy", 2 / 3], ["sad", 1 / 3]]);
  assert.deepEqual(shares([silent(0)]), []);
});

test("the last correction of a stretch holds, in its channel alone", () => {
  const segments = [said(0, "happy"), said(1, "happy", 0.2)];
  const corrections = [{ start: 0, end: 2, channel: null, label: "sad" }, { start: 1, end: 2, channel: null, label: "angry" }, { start: 0, end: 2, channel: 2, label: "calm" }];
  const found = corrected(segments, corrections);
  assert.deepEqual(found.map((one) => [one.emotion, one.status, one.corrected]), [["sad", "ok", true], ["angry", "ok", true]]);
});

test("how often an answer is right comes from its bin, and from enough clips", () => {
  const reliability = { clips: [0, 100, 100, 5], right: [0, 0.3, 0.6, 1] };
  assert.equal(rightness(reliability, 0.6), 0.6);
  assert.equal(rightness(reliability, 0.99), null);
  assert.equal(rightness(null, 0.5), null);
});

test("times and names are short", () => {
  assert.equal(clock(61.46), "1:01.5");
  assert.equal(clock(59.96), "1:00.0");
  assert.equal(clock(3725, 0), "1:02:05");
  assert.equal(cutInMiddle("a".repeat(30) + "b".repeat(30), 21), "aaaaaaaaaa…bbbbbbbbbb");
});

test("a cell is never a formula, and numbers stay numbers", () => {
  assert.equal(csv([["=SUM(A1)", -0.5, 'say "hi", you', null]]), `'=SUM(A1),-0.5,"say ""hi"", you",\r\n`);
  assert.equal(csv([["'=1", "-0.5", "-1+1", "'tis", "\t=1"]]), `''=1,-0.5,'-1+1,'tis,'\t=1\r\n`);
});

test("Krippendorff's alpha is that of his example", () => {
  // Krippendorff 2011, section C: nominal data, four observers, twelve units: 0.743.
  const data = [
    [1, 1, null, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [null, 5, 5, 5], [null, null, 1, 1], [null, null, 3, null],
  ].map((unit) => unit.filter((label) => label !== null));
  assert.ok(Math.abs(krippendorff(data) - 0.743) < 5e-4);
  assert.equal(krippendorff([["a", "a"]]), null);
});
