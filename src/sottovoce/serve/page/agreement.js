// What several models say of one recording, beside each other. No DOM, no network.

import { shares } from "./answers.js";

/** A model's verdict: [[label, share, status], ...]; of a recording up to `short` s its one answer, of a longer one shares of the time. */
export function answered({ prediction, segments }, duration, short) {
  if (duration <= short || !segments.length) return [[prediction.emotion ?? null, prediction.confidence ?? null, prediction.status]];
  const found = shares(segments).slice(0, 3);
  return found.length ? found.map(([label, share]) => [label, share, "ok"]) : [[null, null, prediction.status === "ok" ? "uncertain" : prediction.status]];
}

/**
 * Where models disagree: {agreed, judged, found}.
 *
 * `rows` are [{model, channel, segments}], `judged` the s in which every model heard an emotion, `agreed` those of them
 * in which all heard the same, and `found` the stretches of the others: [{start, end, channel, said: [{model, emotion, status}]}].
 */
export function disagreements(rows) {
  let [agreed, judged] = [0, 0];
  const found = [];
  for (const channel of new Set(rows.map((row) => row.channel))) {
    const here = rows.filter((row) => row.channel === channel);
    const bounds = [...new Set(here.flatMap((row) => row.segments.flatMap((one) => [one.start, one.end])))].sort((a, b) => a - b);
    const places = here.map(() => 0);
    let last = null;
    for (let i = 0; i + 1 < bounds.length; i += 1) {
      const [start, end] = [bounds[i], bounds[i + 1]];
      const said = here.map(({ model, segments }, row) => {
        while (places[row] < segments.length && segments[places[row]].end <= start + 1e-6) places[row] += 1;
        const one = segments[places[row]];
        return one && one.start <= start + 1e-6 ? { model, emotion: one.emotion ?? null, status: one.status } : { model, emotion: null, status: "silence" };
      });
      const all = said.every((one) => one.emotion !== null);
      const same = all && said.every((one) => one.emotion === said[0].emotion);
      if (all) judged += end - start;
      if (same) agreed += end - start;
      if (!all || same) last = null;
      else if (last && last.said.every((one, k) => one.emotion === said[k].emotion && one.status === said[k].status)) last.end = end;
      else found.push((last = { start, end, channel, said }));
    }
  }
  return { agreed, judged, found: found.sort((a, b) => a.start - b.start) };
}
