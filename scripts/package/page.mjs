// The parts of docs/package.md that proofs write, made from their figures in docs/.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { packageDir } from "../lib/paths.mjs";

export const PAGE = join(packageDir, "docs", "package.md");

/**
 * @typedef {object} Section of the page, between two marks
 * @property {string} name
 * @property {string[]} figures the files in docs/
 * @property {(...figures: any[]) => string} write
 */

/** @type {Section[]} */
export const SECTIONS = [
  { name: "installs", figures: ["package-installs.json", "prebuilt.json"], write: writeInstalls },
  { name: "scripts", figures: ["package-installs.json"], write: writeScripts },
  { name: "runtimes", figures: ["package-runtimes.json"], write: writeRuntimes },
  { name: "systems", figures: ["systems.json"], write: writeSystems },
];

/**
 * Keeps figures in docs/, and writes them into the page.
 * @param {string} name
 * @param {object} figures
 */
export async function publish(name, figures) {
  const path = join(packageDir, "docs", name);
  writeFileSync(path, await format(JSON.stringify(figures), { ...(await resolveConfig(path)), parser: "json" }));
  writeFileSync(PAGE, await renderPage(readFileSync(PAGE, "utf8")));
}

/**
 * The page with each section made anew from its figures; sections without figures stay as they are.
 * @param {string} page
 */
export async function renderPage(page) {
  for (const { name, figures, write } of SECTIONS) {
    const [start, end] = [startOf({ name, figures }), `<!-- end of ${name} -->`];
    const [from, to] = [page.indexOf(start), page.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`Expected docs/package.md to have the marks ${start} and ${end}`);
    const paths = figures.map((file) => join(packageDir, "docs", file));
    if (!paths.every((path) => existsSync(path))) continue;
    const text = write(...paths.map((path) => JSON.parse(readFileSync(path, "utf8"))));
    page = `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`;
  }
  return await format(page, { ...(await resolveConfig(PAGE)), parser: "markdown" });
}

/** The mark before a section. @param {Pick<Section, "name" | "figures">} section */
export function startOf({ name, figures }) {
  return `<!-- ${name}: made from ${figures.join(" and ")} -->`;
}

/**
 * @param {import("./offline.mjs").Found & { machine: string }} figures
 * @param {{ install?: import("./measure.mjs").InstallRow, cpu: string, date: string }} prebuilt
 */
function writeInstalls({ installs, machine, keptBytes, killed }, { install, cpu, date }) {
  const rows = [...(install === undefined ? [] : [install]), ...installs].map((row) => [
    `${row.program}, ${row.condition}`,
    megabytes(row.tarballBytes),
    megabytes(row.unpackedBytes),
    String(row.files),
    megabytes(row.fetchedBytes),
    megabytes(row.installedBytes),
    row.seconds.toFixed(1),
    row.load.toFixed(1),
  ]);
  const heading = ["", "tarball", "unpacked", "files", "all that is fetched", "installed", "seconds", "load"];
  const table = markdownTable([heading, ...rows], "right");
  const notes = [
    `${machine}. The load is the machine's average in the minute before: other programs ran beside, and more of it means longer times.`,
    install === undefined
      ? "The install of llama-native with its prebuilt package was not measured in this run."
      : `The prebuilt llama-native was installed in a run of its own, on ${cpu}, ${date}, without compilers on the PATH.`,
    `A first build keeps ${megabytes(keptBytes)} in the cache folder besides.`,
    killed === null
      ? "That an install follows one which was killed in the middle of its build was not tried in this run."
      : `An install that was killed with SIGKILL at step ${killed.step} of its build gave no addon, and the next one did, in ${killed.seconds} seconds.`,
  ];
  return `${table}\n\n${notes.join(" ")}`;
}

/** @param {import("./offline.mjs").Found} figures */
function writeScripts({ scripts }) {
  const rows = scripts.map(({ npm, node, scriptRan, warning, remedies }) => [
    `npm ${npm} (${node})`,
    scriptRan ? "runs" : "is blocked",
    warning ?? "nothing",
    remedies.length === 0 ? "not needed" : remedies.map((remedy) => `\`${remedy}\``).join(", or "),
  ]);
  const heading = ["", "the install script", "npm says", "what builds the addon then"];
  return markdownTable([heading, ...rows], "left");
}

/** @param {import("../prove-runtimes.mjs").Runtimes} figures */
function writeRuntimes({ builtWith, rows, single, electron }) {
  const names = rows.map(({ runtime }) => runtime);
  const checks = Object.keys(rows[0]?.checks ?? {});
  const body = checks.map((check) => [
    check,
    ...rows.map((row) => (row.checks[check] === "ok" ? "yes" : `no: ${row.checks[check]}`)),
  ]);
  const singles = Object.entries(single.checks).map(([check, outcome]) => [
    check,
    outcome === "ok" ? "yes" : `no: ${outcome}`,
  ]);
  return [
    markdownTable([["", ...names], ...body], "left"),
    `The addon was built with ${builtWith}. ${electron.reason}.`,
    `A single executable of Node (\`node --build-sea\`, ${single.node}), into which esbuild has bundled the library and the server:`,
    markdownTable([["", "runs a model and the server"], ...singles], "left"),
  ].join("\n\n");
}

/** @param {{ rows: import("../systems/runs.mjs").SystemRow[] }} figures */
function writeSystems({ rows }) {
  const facts = [
    ["Node", ...rows.map(({ runtime }) => runtime.replace("Node ", ""))],
    ["package", ...rows.map((row) => `\`${row.package.name}\``)],
    ["its tarball", ...rows.map((row) => megabytes(row.package.tarballBytes))],
    ["all that is installed", ...rows.map((row) => megabytes(row.installedBytes))],
    ["kernels chosen, of how many", ...rows.map(({ variant, variants }) => `\`${variant}\`, ${variants.length}`)],
    ["least cosine of logits beside this machine's addon", ...rows.map((row) => row.leastCosine.toFixed(4))],
    ["the likeliest token is the same", ...rows.map((row) => `${Math.round(100 * row.likeliestEqual)} %`)],
  ];
  const checks = Object.keys(rows[0]?.checks ?? {}).map((check) => [
    check,
    ...rows.map((row) => (row.checks[check] === "ok" ? "yes" : `no: ${row.checks[check]}`)),
  ]);
  return markdownTable([["", ...rows.map(({ system }) => system)], ...facts, ...checks], "left");
}

/**
 * @param {readonly (readonly string[])[]} rows the first is the heading
 * @param {"left" | "right"} side of all columns but the first
 */
function markdownTable([heading = [], ...rows], side) {
  const rule = heading.map((_, column) => (column === 0 || side === "left" ? "---" : "--:"));
  const lines = [heading, rule, ...rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** @param {number} bytes */
function megabytes(bytes) {
  if (!Number.isFinite(bytes)) throw new Error(`Expected a number of bytes but found ${bytes}`);
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
