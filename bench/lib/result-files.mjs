// The files of a run: table, figures and chart.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";

import { readJson } from "../../scripts/lib/files.mjs";
import { drawChart, panelsOf } from "./chart.mjs";
import { report } from "./table.mjs";

/**
 * @param {string} folder
 * @returns {import("./results.mjs").Results | null} null where there are none in this format
 */
export function readResults(folder) {
  const results = readJson(join(folder, "results.json"));
  return results?.version === 1 ? results : null;
}

/**
 * @param {string} folder
 * @param {import("./results.mjs").Results} results
 */
export async function writeResults(folder, results) {
  mkdirSync(folder, { recursive: true });
  const { machine } = results;
  const subtitle = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, llama.cpp ${machine.llamaCpp}`;
  writeFileSync(join(folder, "chart.svg"), drawChart(panelsOf(results), subtitle));
  // The results are kept in the repository, whose files are formatted.
  const style = { printWidth: 120 };
  writeFileSync(join(folder, "results.md"), await format(report(results), { ...style, parser: "markdown" }));
  writeFileSync(join(folder, "results.json"), await format(JSON.stringify(results), { ...style, parser: "json" }));
}
