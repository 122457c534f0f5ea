// `npm test`: everything that must hold before a change is shared. All checks run even when one fails; the last line is
// `<n> passed, <n> failed`, where a failed check counts as one failure. Arguments are passed on to vitest.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJson } from "./lib/files.mjs";
import { packageDir } from "./lib/paths.mjs";

const tool = (/** @type {string} */ path) => join(packageDir, "node_modules", ...path.split("/"));
const tsc = tool("typescript/bin/tsc");

/** What the others need, as examples are checked against it. */
const BUILDS = [
  { name: "The addon is built from these sources", args: [join(packageDir, "scripts", "build.mjs")] },
  { name: "The library is bundled", args: [join(packageDir, "scripts", "bundle.mjs")] },
];
/** Two lanes side by side: the rules take as long as all the others together. */
const LANES = [
  [{ name: "The code keeps its rules", args: [tool("eslint/bin/eslint.js"), "."] }],
  [
    { name: "Tests and examples have no type errors", args: [tsc, "-p", "tsconfig.json"] },
    { name: "Scripts have no type errors", args: [tsc, "-p", "scripts/tsconfig.json"] },
    { name: "The code is formatted", args: [tool("prettier/bin/prettier.cjs"), "--check", "--log-level=warn", "."] },
    { name: "The addon keeps its contract", args: [join(packageDir, "scripts", "check-contract.mjs")] },
  ],
];

const failedBuilds = BUILDS.filter((check) => !runs(check));
const failedLanes = await Promise.all(LANES.map(failuresOf));
const failedChecks = [...failedBuilds, ...failedLanes.flat()].map(({ name }) => name);
const tests = runTests(process.argv.slice(2));

console.log("");
for (const name of failedChecks) console.log(`Failed: ${name}`);
if (tests.skipped > 0) console.log(`${tests.skipped} skipped`);
const allFailed = tests.failed + failedChecks.length;
console.log(`${tests.passed} passed, ${allFailed} failed`);
process.exitCode = allFailed === 0 ? 0 : 1;

/** @param {{ name: string, args: string[] }} check */
function runs({ name, args }) {
  console.log(`\n=== ${name} ===`);
  const { status } = spawnSync(process.execPath, args, { cwd: packageDir, stdio: "inherit" });
  console.log(status === 0 ? "yes" : "NO");
  return status === 0;
}

/**
 * Checks one after another, each with its output in one piece when it ends, as others run at the same time.
 * @param {{ name: string, args: string[] }[]} checks
 */
async function failuresOf(checks) {
  const failed = [];
  for (const check of checks) {
    const child = spawn(process.execPath, check.args, { cwd: packageDir, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (output += text));
    const [status] = await once(child, "close");
    console.log(`\n=== ${check.name} ===\n${output}${status === 0 ? "yes" : "NO"}`);
    if (status !== 0) failed.push(check);
  }
  return failed;
}

/** @param {string[]} args */
function runTests(args) {
  console.log("\n=== The tests pass ===");
  const folder = mkdtempSync(join(tmpdir(), "llama-native-test-"));
  try {
    const report = join(folder, "report.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { status } = spawnSync(process.execPath, [tool("vitest/vitest.mjs"), "run", ...reporters, ...args], {
      cwd: packageDir,
      stdio: "inherit",
    });
    return countTests(readJson(report), status === 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {any} report vitest's, in the form of Jest's JSON reports; null where vitest did not get that far
 * @param {boolean} succeeded
 */
function countTests(report, succeeded) {
  /** @type {{ status: string, assertionResults: { status: string }[] }[]} */
  const files = report?.testResults ?? [];
  let failed = report?.numFailedTests ?? 0;
  // A file that cannot be imported fails without any of its tests doing so.
  for (const file of files) {
    if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed")) failed += 1;
  }
  // An error outside of every test.
  if (!succeeded && failed === 0) failed = 1;
  return {
    passed: report?.numPassedTests ?? 0,
    failed,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
}
