// What is recorded, and its stream: nothing lost where a connection breaks.

import assert from "node:assert/strict";
import test from "node:test";

import { LiveStream } from "../../../src/sottovoce/serve/page/live-stream.js";
import { LONGEST, Recorded } from "../../../src/sottovoce/serve/page/recorded.js";
import { texts } from "../../../src/sottovoce/serve/page/texts.js";

const RATE = 100;

test("what is recorded comes back from any time on, and as a WAV file of the same samples", async () => {
  const recorded = new Recorded(RATE);
  const all = [];
  for (const size of [7, 50, 1, 42]) all.push(...recorded.add(Float32Array.from({ length: size }, (_, i) => 1.1 * Math.sin(size + i))));
  assert.equal(recorded.duration, 1);
  for (const time of [0, 0.07, 0.3, 0.99, 1, 2]) assert.deepEqual([...recorded.from(time)], all.slice(Math.round(time * RATE)));
  const bytes = await recorded.wav().arrayBuffer();
  assert.deepEqual([...new Int16Array(bytes.slice(44))], all);
  assert.equal(new DataView(bytes).getUint32(24, true), RATE);
  assert.ok(Math.max(...all) === 32767 && Math.min(...all) === -32767);
});

test("a recording ends before it fills the memory", () => {
  const recorded = new Recorded(1);
  recorded.add(new Float32Array(LONGEST - 1));
  assert.ok(!recorded.full);
  recorded.add(new Float32Array(1));
  assert.ok(recorded.full);
  assert.ok(new Recorded(48_000).longest < LONGEST);
});

class FakeSocket {
  static made = [];
  sent = [];
  constructor() {
    FakeSocket.made.push(this);
  }
  send(message) {
    this.sent.push(message);
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  close() {
    this.onclose({ code: 1005 });
  }
  get samples() {
    return this.sent.filter((one) => typeof one !== "string").flatMap((one) => [...one]);
  }
}

function streamOf({ recorded = new Recorded(RATE), reachable = async () => true, pauses = [0, 0] } = {}) {
  globalThis.WebSocket = FakeSocket;
  FakeSocket.made = [];
  const [segments, states] = [[], []];
  let changed;
  const stream = new LiveStream("ws://x/", { model: "tiny" }, recorded, {
    onSegment: (one) => segments.push(one),
    onState: (state, sentence) => {
      states.push([state, sentence]);
      changed?.();
    },
    reachable,
    pauses,
  });
  const until = async (count) => {
    while (states.length < count) await new Promise((resolve) => (changed = resolve));
  };
  return { stream, segments, states, recorded, until, hear: (samples) => stream.send(recorded.add(Float32Array.from(samples))) };
}

const second = (value) => Array(RATE).fill(value);

test("a stream that breaks goes on from the last second that was judged, with the times of the recording", async () => {
  const { stream, segments, states, recorded, until, hear } = streamOf();
  hear(second(0.1)); // before there is a connection
  stream.open();
  const [first] = FakeSocket.made;
  first.onopen();
  assert.deepEqual(JSON.parse(first.sent[0]), { type: "config", encoding: "pcm16", sample_rate: RATE, model: "tiny" });
  first.say({ type: "ready" });
  hear(second(0.2));
  assert.deepEqual(first.samples, [...recorded.from(0)]);
  first.say({ type: "measurement", start: 0, end: 1, emotion: "sad" });
  first.onclose({ code: 1006 });
  hear(second(0.3)); // while there is none
  await until(4);
  const again = FakeSocket.made[1];
  again.onopen();
  again.say({ type: "ready" });
  assert.deepEqual(again.samples, [...recorded.from(1)]);
  again.say({ type: "measurement", start: 0, end: 1, emotion: "happy" });
  assert.deepEqual(segments.map((one) => [one.start, one.end, one.emotion]), [[0, 1, "sad"], [1, 2, "happy"]]);
  assert.deepEqual(states.map(([state]) => state), ["connecting", "open", "again", "connecting", "open"]);
  stream.end();
  assert.deepEqual(JSON.parse(again.sent.at(-1)), { type: "finish" });
});

test("each reason has its sentence, and what will not get better is not tried again", async () => {
  const cases = [
    [async () => true, (socket) => socket.onclose({ code: 1006 }), texts.stream.busy, 3],
    [async () => false, (socket) => socket.onclose({ code: 1006 }), texts.stream.lost, 3],
    [async () => true, (socket) => (socket.onopen(), socket.onclose({ code: 4401 })), texts.stream.key, 1],
    [async () => true, (socket) => (socket.onopen(), socket.say({ type: "error", code: "bad_profile", message: "another model's" })), "another model's", 1],
  ];
  for (const [reachable, fail, sentence, tries] of cases) {
    const { stream, states, until } = streamOf({ reachable });
    stream.open();
    for (let number = 1; number <= tries; number += 1) {
      fail(FakeSocket.made.at(-1));
      await until(number < tries ? 2 * number + 1 : 2 * number);
    }
    assert.deepEqual(states.at(-1), ["ended", sentence]);
    assert.equal(FakeSocket.made.length, tries);
    stream.end();
  }
});
