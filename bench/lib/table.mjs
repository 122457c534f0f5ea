// The results as Markdown.

import { checkBars, describeBar, describeValue } from "./bars.mjs";
import { isLoaded } from "./machine.mjs";
import { MODEL_LABELS } from "./models.mjs";
import { outcomeOf } from "./results.mjs";

/**
 * @param {readonly (readonly string[])[]} rows the first is the heading
 * @param {readonly ("left" | "right")[]} alignment of the columns
 */
export function markdownTable(rows, alignment) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  const [heading = [], ...body] = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const rule = alignment.map((side) => (side === "left" ? "---" : "--:"));
  return [heading, rule, ...body].map(line).join("\n");
}

/** @param {import("./results.mjs").Results} results */
export function report(results) {
  return [
    "# Benchmark results",
    machineSection(results),
    "![The main figures as bars](chart.svg)",
    barSection(results),
    ...Object.values(results.workloads).map(workloadSection),
  ].join("\n\n");
}

/** @param {import("./results.mjs").Results} results */
function machineSection({ machine, versions, quick, workloads }) {
  const measured = Object.values(workloads);
  const days = [...new Set(measured.map(({ measuredAt }) => measuredAt.slice(0, 10)))].sort();
  const minutes = measured.reduce((sum, workload) => sum + workload.minutes, 0);
  const load = Math.max(0, ...measured.map(({ loadBefore }) => loadBefore));
  const gigabytes = (machine.memoryBytes / 1e9).toFixed(1);
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `- ${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}, ${gigabytes} GB of memory`,
    `- ${machine.system}, Node ${machine.node}, ${machine.compiler}`,
    `- ${programs.join(", ")}; llama.cpp ${machine.llamaCpp}`,
    `- measured on ${days.join(" and ")} in ${Math.round(minutes)} minutes; load average before: ${load.toFixed(2)}`,
  ];
  const busy = Object.values(workloads).filter(({ warning }) => warning !== null);
  const notes = [
    ...(quick ? ["A quick run: sizes are too small for the figures to mean anything."] : []),
    ...(isLoaded(load, machine.cores) ? [`The machine was busy before: its load average was ${load.toFixed(2)}.`] : []),
    ...busy.map(({ title, warning }) => `The machine was busy during "${title}": ${warning}.`),
  ];
  return [lines.join("\n"), ...notes.map((note) => `**${note}**`)].join("\n\n");
}

/** @param {import("./results.mjs").Results} results */
function barSection(results) {
  const asked = checkBars(results).filter(({ bar }) => bar.workload in results.workloads);
  const rows = asked.map((verdict) => [
    `${verdict.bar.title}: ${verdict.bar.case}`,
    describeBar(verdict.bar),
    describeValue(verdict),
    verdict.outcome === "not measured" ? `not measured: ${verdict.reason}` : verdict.outcome,
  ]);
  const table = markdownTable([["", "bar", "figure", ""], ...rows], ["left", "left", "right", "left"]);
  return `## What it should reach\n\n${table}`;
}

/** @param {import("./results.mjs").WorkloadResult} workload */
function workloadSection({ title, about, metrics, cases }) {
  return [
    `## ${title}`,
    about,
    ...Object.entries(cases).map(([name, result]) => caseSection(name, result, metrics)),
  ].join("\n\n");
}

/**
 * @param {string} name
 * @param {import("./results.mjs").CaseResult} result
 * @param {Record<string, import("./workload.js").Metric>} metrics
 */
function caseSection(name, { model, programs }, metrics) {
  const all = Object.values(programs);
  const shown = Object.entries(metrics).filter(([key]) => all.some((program) => key in (figuresOf(program) ?? {})));
  const rounds = Math.max(0, ...all.map((program) => ("runs" in program ? countedRounds(program) : 0)));
  const rows = all.map((program) => [program.label, ...shown.map(([key, metric]) => cell(program, key, metric))]);
  const failures = all.flatMap((program) => ("error" in program ? [failureNote(program)] : []));
  const label = MODEL_LABELS[/** @type {import("./models.mjs").ModelName} */ (model)];
  return [
    `### ${name}`,
    `${label}; ${rounds === 1 ? "one round" : `median of ${rounds} rounds, least and most`}.`,
    markdownTable(
      [["", ...shown.map(([, { label }]) => label)], ...rows],
      ["left", ...shown.map(() => /** @type {const} */ ("right"))],
    ),
    ...failures,
  ].join("\n\n");
}

/** @param {import("./results.mjs").Figures | import("./results.mjs").Failure} program */
function figuresOf(program) {
  return "metrics" in program ? program.metrics : null;
}

/** @param {import("./results.mjs").Figures} program */
function countedRounds({ runs }) {
  return runs.filter(({ round }) => round > 0).length;
}

/**
 * @param {import("./results.mjs").Figures | import("./results.mjs").Failure} program
 * @param {string} key
 * @param {import("./workload.js").Metric} metric
 */
function cell(program, key, { digits }) {
  if ("error" in program) return outcomeOf(program);
  const figures = program.metrics;
  const summary = figures[key];
  if (summary === undefined) return "–";
  const { median, least, most, values } = summary;
  const range = values.length === 1 ? "" : ` (${least.toFixed(digits)}–${most.toFixed(digits)})`;
  return `${median.toFixed(digits)}${range}`;
}

/** @param {import("./results.mjs").Failure} failure */
function failureNote({ label, error, round, stoppedAfterSeconds }) {
  const indented = error.split("\n").map((line) => `    ${line}`);
  const verb = stoppedAfterSeconds === undefined ? "failed" : "was stopped";
  return `${label} ${verb} in ${round === 0 ? "the round that does not count" : `round ${round}`}:\n\n${indented.join("\n")}`;
}
