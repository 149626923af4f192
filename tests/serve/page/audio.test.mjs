// What the first bytes of a recording say.

import assert from "node:assert/strict";
import test from "node:test";

import { HEAD, headOf, wav } from "../../../src/sottovoce/serve/page/audio.js";

test("the head of a WAV file says its channels and its length", async () => {
  const blob = wav([new Float32Array(16_000), new Float32Array(16_000)], 8000);
  const head = headOf(new Uint8Array(await blob.slice(0, HEAD).arrayBuffer()), blob.size);
  assert.equal(head.channels, 2);
  assert.ok(Math.abs(head.duration - 2) < 0.01);
});

test("the head of a FLAC file does too, and that of anything else says nothing", () => {
  // STREAMINFO: 44.1 kHz, one channel, 16 bits, 441,000 samples
  const bytes = new Uint8Array(HEAD);
  bytes.set([0x66, 0x4c, 0x61, 0x43, 0, 0, 0, 34], 0);
  bytes.set([0x0a, 0xc4, 0x40, 0xf0, 0x00, 0x06, 0xba, 0xa8], 18);
  assert.deepEqual(headOf(bytes, 1000), { channels: 1, duration: 10 });
  assert.equal(headOf(new Uint8Array(HEAD), 1000), null);
  assert.equal(headOf(bytes.subarray(0, 40), 40), null);
});
