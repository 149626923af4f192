// Many recordings judged, two at a time; what was judged before is taken from the library.

import { hear, keyOf, load } from "./analysis.js";
import * as library from "./library.js";

const AT_A_TIME = 2;

/** How often a recording is sent again while the service is busy, and the s between. */
const TRIES = 6;
const PAUSE = 1.5;

/** The service has looked at a recording, and will say the same again. */
const REFUSED = new Set([413, 415, 422]);

/** What is known of a recording already, for this model and profile; null where it must be judged. */
export function known(recording, model, profile) {
  return (recording.shape && recording.analyses?.[keyOf(model, profile, recording.split)]) || null;
}

/**
 * Judge rows ({hash, recording}): `onChange(row, {state, said, recording, problem})` as it goes on.
 *
 * Resolves when none is left, or `signal` says so; those that were not judged then wait again.
 */
export async function judge(rows, { model, profile, signal, onChange }) {
  const queue = [...rows];
  const work = async () => {
    while (queue.length && !signal.aborted) {
      const row = queue.shift();
      onChange(row, { state: "hearing", problem: "" });
      try {
        const said = await patiently(() => one(row.recording, model, profile, signal), signal);
        onChange(row, { state: "done", said, recording: await library.recording(row.hash) });
      } catch (error) {
        const state = signal.aborted ? "waiting" : REFUSED.has(error.status) ? "error" : "failed";
        onChange(row, { state, problem: signal.aborted ? "" : error.message });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

async function one(recording, model, profile, signal) {
  const { blob, split } = recording.shape ? { blob: await library.sound(recording.hash), split: recording.split } : await load(recording);
  return hear(recording, blob, { model, profile, split, signal });
}

async function patiently(work, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (error.status !== 429 || tries === TRIES || signal.aborted) throw error;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1000 * PAUSE * tries);
        signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  }
}
