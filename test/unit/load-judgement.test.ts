// Every bound of the load test can be missed; a test that cannot fail shows nothing.

import { describe, expect, test } from "vitest";

import type { Findings } from "../../scripts/load/judgement.mjs";
import { failures } from "../../scripts/load/judgement.mjs";
import { bounds } from "../../scripts/load/plan.mjs";

type Side = Findings["rounds"][number]["server"];
const side = (seconds: number): Side => ({ seconds, characters: 6000, answers: 40, different: 8, failed: 0 });

function passed(): Findings {
  const counts = (outcome: string, status: number): Findings["kinds"][string] => ({
    outcomes: { [outcome]: 100 },
    statuses: { [status]: 100 },
    drifted: 0,
  });
  return {
    rounds: [
      { alone: side(9), library: side(10), server: side(10.2) },
      { alone: side(9), library: side(12), server: side(12.1) },
      { alone: side(9), library: side(11), server: side(30) }, // another process had the machine
    ],
    large: [
      { alone: side(60), library: side(61), server: side(61) },
      { alone: side(62), library: side(61), server: side(63) },
      { alone: side(61), library: side(90), server: side(120) }, // so had it here
    ],
    sent: 500,
    silent: 90,
    kinds: {
      plain: counts("finished", 200),
      slow: counts("finished", 200),
      leaves: counts("left", 200),
      hasty: counts("left", 0),
      rubbish: counts("rejected", 400),
    },
    memory: [0, 1, 2, 3, 4, 5, 6, 7].map((at) => ({
      ms: at * 5000,
      heapMiB: 20 + (at % 2),
      memoryMiB: 140 + (at % 3),
    })),
    metrics: { running: 0, waiting: 0, requests: 470, abandoned: 150 },
  };
}

/** What fails of a test that was passed but for one change. */
function after(change: (findings: Findings) => void): string[] {
  const findings = passed();
  change(findings);
  return failures(findings, bounds);
}

test("a test that was passed has no failures", () => {
  expect(failures(passed(), bounds)).toEqual([]);
});

describe("it is failed", () => {
  test("by a server that is slower than the library in most rounds", () => {
    const slow = after(({ rounds }) => rounds.forEach((round) => (round.server = side(round.library.seconds / 0.94))));
    expect(slow).toEqual([expect.stringMatching(/throughput is 0\.94\d* of the library's, and must be 0\.95/)]);
    expect(after((findings) => (findings.rounds = []))).toContainEqual(expect.stringContaining("throughput is NaN"));
  });

  test("by a server that is slower than the library by itself with the large model", () => {
    const slow = after(({ large }) => large.forEach((round) => (round.server = side(round.alone.seconds / 0.94))));
    expect(slow).toEqual([expect.stringMatching(/large model is 0\.94\d* of the library's, and must be 0\.95/)]);
    expect(after((findings) => (findings.large = []))).toContainEqual(expect.stringContaining("large model is NaN"));
  });

  test.each(["alone", "library", "server"] as const)("by a request of a round (%s) that came to nothing", (which) => {
    expect(after(({ rounds }) => (rounds[1]![which].failed = 1))).toEqual([
      "1 requests of the rounds came to no good end",
    ]);
  });

  test("by a server whose answers differ more often than the library's own", () => {
    // Of three rounds with 40 answers, of which 8 differ on all sides.
    expect(after(({ rounds }) => (rounds[1]!.server.different = 19))).toEqual([]);
    const more = after(({ rounds }) => (rounds[1]!.server.different = 21));
    expect(more).toEqual([expect.stringContaining("of the server's answers in the rounds are not the library's")]);
    const none = after(({ rounds }) =>
      rounds.forEach(({ server }) => Object.assign(server, { answers: 0, different: 0 })),
    );
    expect(none).toEqual([expect.stringContaining("NaN of the server's answers")]);
  });

  test.each(["lost", "crossed", "unexplained", "failed"])("by one request that was %s", (fault) => {
    expect(
      after(({ kinds }) => {
        kinds["leaves"]!.outcomes = { left: 99, [fault]: 1 };
      }),
    ).toEqual([`1 ${fault} of the leaves clients`]);
  });

  test("by requests that came to no end, and by more ends than requests", () => {
    expect(after((findings) => (findings.sent = 501))).toEqual(["501 requests were sent and 500 came to an end"]);
    expect(after((findings) => (findings.sent = 499))).toEqual(["499 requests were sent and 500 came to an end"]);
  });

  test.each(["plain", "slow", "leaves", "hasty", "rubbish"])(
    "by %s clients that were not there, or only refused",
    (kind) => {
      const without = after((findings) => {
        const { [kind]: _, ...others } = findings.kinds;
        findings.kinds = others;
      });
      expect(without).toContainEqual(expect.stringContaining(`no requests of the ${kind} clients`));
      const refused = after(
        ({ kinds }) => (kinds[kind] = { outcomes: { refused: 100 }, statuses: { 429: 100 }, drifted: 0 }),
      );
      expect(refused).toContainEqual(expect.stringMatching(new RegExp(`only 0 \\w+ of the ${kind} clients`)));
    },
  );

  test("by more answers that drifted than evictions explain", () => {
    // 400 ended, of which 90 said nothing.
    expect(after(({ kinds }) => (kinds["plain"]!.drifted = 31))).toEqual([]);
    expect(after(({ kinds }) => (kinds["plain"]!.drifted = 32))).toEqual([
      expect.stringContaining("32 of 310 answers"),
    ]);
  });

  test.each(["running", "waiting"] as const)(
    "by a request that is still %s, and by a server that does not say",
    (metric) => {
      expect(after(({ metrics }) => (metrics[metric] = 1))).toEqual([
        expect.stringContaining("when all clients have gone"),
      ]);
      expect(after(({ metrics }) => (metrics[metric] = NaN))).toEqual([expect.stringContaining("NaN")]);
    },
  );

  test("by a server that counts other requests than there were", () => {
    for (const requests of [409, 501, NaN]) {
      expect(after(({ metrics }) => (metrics.requests = requests))).toEqual([
        expect.stringContaining(`the server counts ${requests} requests`),
      ]);
    }
    for (const abandoned of [0, 201, NaN]) {
      expect(after(({ metrics }) => (metrics.abandoned = abandoned))).toEqual([
        expect.stringContaining(`the server counts ${abandoned} clients that left`),
      ]);
    }
  });

  test("by memory that grows, of the heap or outside it, and by too few samples to tell", () => {
    expect(after(({ memory }) => memory.forEach((one) => (one.heapMiB += one.ms / 20_000)))).toEqual([
      expect.stringContaining("the heap grows by"),
    ]);
    expect(after(({ memory }) => memory.forEach((one) => (one.memoryMiB += one.ms / 3000)))).toEqual([
      expect.stringContaining("memory grows by"),
    ]);
    expect(after((findings) => (findings.memory = findings.memory.slice(0, 5)))).toEqual([
      "only 5 samples of the server's memory",
    ]);
    expect(after((findings) => (findings.memory = []))).toHaveLength(3);
  });
});
