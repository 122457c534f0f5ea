// A load test's result for people.

import { median, shares, slopePerMinute } from "./figures.mjs";

/** @typedef {Awaited<ReturnType<typeof import("./run.mjs").runRounds>>} Rounds */
/** @typedef {Awaited<ReturnType<typeof import("./run.mjs").runStorm>>} Storm */

/** @param {{ when: string, seconds: number, clients: number, rounds: Rounds, storm: Storm, failed: string[] }} result */
export function toMarkdown({ when, seconds, clients, rounds, storm, failed }) {
  return [
    "# Load test",
    `Made by \`npm run test:load\` on ${when.slice(0, 10)}; [server.md](server.md#load) says what it does.`,
    failed.length === 0 ? "Everything that must hold does." : `What does not hold: ${failed.join("; ")}.`,
    "## Throughput",
    roundsTable(rounds),
    `Median share: **${median(shares(rounds)).toFixed(3)}**.`,
    `## ${clients} clients for ${seconds} seconds`,
    kindsTable(storm.kinds),
    serverText(storm),
    "",
  ].join("\n\n");
}

/** @param {Rounds} rounds */
function roundsTable(rounds) {
  const all = shares(rounds);
  const rows = rounds.map(({ library, server }, index) => [
    index + 1,
    index % 2 === 0 ? "library" : "server",
    library.seconds.toFixed(2),
    server.seconds.toFixed(2),
    (all[index] ?? NaN).toFixed(3),
    library.jsSeconds?.toFixed(2) ?? "",
    server.jsSeconds?.toFixed(2) ?? "",
    server.clients.cpuSeconds.toFixed(2),
  ]);
  const head = [
    "round",
    "first",
    "library s",
    "server s",
    "share",
    "library's JS s",
    "server's JS s",
    "clients' CPU s",
  ];
  return table(head, rows);
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
