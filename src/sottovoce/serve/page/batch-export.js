// A table of recordings as files: CSV, JSON, and a ZIP of a report of each.

import { cells, fileNames, objects } from "./batch-rows.js";
import { corrected, csv } from "./answers.js";
import { save } from "./dom.js";
import * as library from "./library.js";

export function saveCsv(rows, labels) {
  save("sottovoce.csv", csv(cells(rows, labels)), "text/csv");
}

export function saveJson(rows) {
  save("sottovoce.json", JSON.stringify(objects(rows), null, 1), "application/json");
}

/** A report of each recording that was judged, once for duplicates, and the table; `onReport(done, all)` as it goes on. */
export async function saveReports(rows, { model, card, onReport }) {
  const [{ strToU8, Zip, ZipDeflate }, reports] = await Promise.all([import("./vendor/fflate.js"), import("./report.js").catch(() => null)]);
  const parts = [];
  const zip = new Zip((error, part) => {
    if (error) throw error;
    parts.push(part);
  });
  const put = (name, text) => {
    const file = new ZipDeflate(name, { level: 6 });
    zip.add(file);
    file.push(strToU8(text), true);
  };
  const judged = rows.filter((one) => one.said && !one.sameAs);
  const names = fileNames(judged.map((one) => one.name), reports ? "html" : "json");
  for (const [i, one] of judged.entries()) {
    onReport(i + 1, judged.length);
    put(names[i], reports ? await reports.reportHtml(await toReport(one, model, card)) : JSON.stringify(objects([one])[0], null, 1));
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive between reports
  }
  put("sottovoce.csv", csv(cells(rows, model.labels)));
  zip.end();
  save("sottovoce-reports.zip", new Blob(parts, { type: "application/zip" }));
}

async function toReport(one, model, card) {
  const said = { ...one.said, segments: corrected(one.said.segments, one.corrections) };
  return { name: one.name, shape: one.recording.shape, said, model, card, blob: await library.sound(one.hash) };
}
