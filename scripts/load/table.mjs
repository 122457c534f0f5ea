// A load test's result for people.

import { median, shares, slopePerMinute } from "./figures.mjs";

/** @typedef {Awaited<ReturnType<typeof import("./run.mjs").runRounds>>} Rounds */
/** @typedef {Awaited<ReturnType<typeof import("./run.mjs").runStorm>>} Storm */

/**
 * @param {{ when: string, seconds: number, clients: number, rounds: Rounds, large: Rounds, storm: Storm, failed: string[] }} result
 */
export function toMarkdown({ when, seconds, clients, rounds, large, storm, failed }) {
  return [
    "# Load test",
    `Made by \`npm run test:load\` on ${when.slice(0, 10)}; [server.md](server.md#load) says what it does.`,
    failed.length === 0 ? "Everything that must hold does." : `What does not hold: ${failed.join("; ")}.`,
    "## Throughput, 125 million parameters",
    roundsText(rounds),
    roundsTable(rounds),
    "## Throughput, Mistral-7B's size",
    roundsText(large),
    roundsTable(large),
    `## ${clients} clients for ${seconds} seconds`,
    kindsTable(storm.kinds),
    serverText(storm),
    "",
  ].join("\n\n");
}

/** @param {Rounds} rounds */
function roundsTable(rounds) {
  const all = shares(rounds, "library", "server");
  const fixed = (/** @type {number | null} */ value) => value?.toFixed(2) ?? "";
  const rows = rounds.map(({ alone, library, server }, index) => [
    index + 1,
    ...[alone, library, server].map(({ seconds }) => fixed(seconds)),
    (all[index] ?? NaN).toFixed(3),
    ...[alone, library, server].map(({ jsSeconds }) => fixed(jsSeconds)),
    ...[library, server].map(({ clientSeconds }) => fixed(clientSeconds)),
  ]);
  const times = ["library alone, s", "library, s", "server, s", "share"];
  return table(
    ["round", ...times, "JS alone, s", "JS of library, s", "of server, s", "its clients, s", "server's, s"],
    rows,
  );
}

/** @param {Rounds} rounds */
function roundsText(rounds) {
  const ofAlone = (/** @type {"library" | "server"} */ side) => median(shares(rounds, "alone", side)).toFixed(3);
  const different = (/** @type {"alone" | "library" | "server"} */ side) =>
    `${rounds.reduce((sum, round) => sum + round[side].different, 0)} of ${rounds.reduce((sum, round) => sum + round[side].answers, 0)}`;
  return (
    `Median share of the library with the same clients: **${median(shares(rounds, "library", "server")).toFixed(3)}**. Of the ` +
    `library alone, whose engine has all cores: **${ofAlone("server")}**, and ${ofAlone("library")} for the library with clients. ` +
    `Drifted: ${different("alone")} answers of the library alone, ${different("library")} with clients, ${different("server")} of the server. Seconds of JavaScript's thread and of the clients are core time.`
  );
}

/** @param {Storm["kinds"]} kinds */
function kindsTable(kinds) {
  const list = (/** @type {Record<string, number>} */ counts) =>
    Object.entries(counts)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", ");
  const rows = Object.entries(kinds).map(([kind, { outcomes, statuses, drifted }]) => [
    kind,
    list(outcomes),
    list(statuses),
    drifted,
  ]);
  return table(["clients", "outcomes", "statuses (0: left before any)", "drifted"], rows);
}

/** @param {Storm} storm */
function serverText({ sent, silent, memory, metrics }) {
  const slope = (/** @type {"heapMiB" | "memoryMiB"} */ key) =>
    slopePerMinute(memory.map((sample) => ({ ms: sample.ms, value: sample[key] }))).toFixed(2);
  const { running, waiting, requests, abandoned } = metrics;
  return (
    `${sent} requests were sent, ${silent} of them left before anything came; the server counted ${requests}, and ${abandoned} whose ` +
    `clients left. In the end ${running} ran and ${waiting} waited. The heap grew by ${slope("heapMiB")} MiB a minute, all memory ` +
    `by ${slope("memoryMiB")} MiB, after full garbage collections and without the first third of the time.`
  );
}

/** @param {readonly string[]} head @param {readonly (readonly (string | number)[])[]} rows */
function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
