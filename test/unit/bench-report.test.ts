import { describe, expect, it } from "vitest";

import { readArguments } from "../../bench/lib/arguments.mjs";
import { BARS, checkBars, describeBar, describeValue } from "../../bench/lib/bars.mjs";
import { drawChart, panelsOf } from "../../bench/lib/chart.mjs";
import { busyWarning, isLoaded } from "../../bench/lib/machine.mjs";
import { loadWorkload, WORKLOAD_NAMES } from "../../bench/lib/registry.mjs";
import { mergeResults, ownFailures, resultOf } from "../../bench/lib/results.mjs";
import { lastResult, runJob } from "../../bench/lib/run-job.mjs";
import { markdownTable, report } from "../../bench/lib/table.mjs";

type Results = Parameters<typeof checkBars>[0];
type Program = ReturnType<typeof resultOf>;
type Bar = (typeof BARS)[number];

function figures(label: string, ...rounds: Record<string, number>[]): Program {
  const runs = rounds.map((metrics, index) => ({ round: index, seconds: 1, busyCores: 0, metrics, details: {} }));
  return resultOf(label, runs);
}

/** One workload `speed` with one case `small`. */
function resultsOf(programs: Record<string, Program>): Results {
  return {
    version: 1,
    quick: false,
    machine: {
      ...{ cpu: "Some CPU", cores: 2, memoryBytes: 8e9, system: "Linux x64", node: "v20", compiler: "c++ 12" },
      llamaCpp: "0.5.0",
    },
    versions: { "llama-native": "1.0.0" },
    workloads: {
      speed: {
        title: "Speed",
        about: "How fast.",
        metrics: {
          rate: { label: "tokens/s", better: "more", digits: 1 },
          batch: { label: "mean batch", better: "more", digits: 2 },
        },
        cases: { small: { model: "125m", chart: "Speed, tokens/s", programs } },
        measuredAt: "2026-01-02T03:04:05.000Z",
        minutes: 1.5,
        loadBefore: 0.1,
        warning: null,
      },
    },
  };
}

const stopped = resultOf("Stuck", [{ round: 0, error: "not finished after 80 seconds", stoppedAfterSeconds: 80 }]);
const failed = resultOf("Slow", [{ round: 1, error: "ended with SIGSEGV\nout of luck" }]);

describe("the figures of a program", () => {
  it("leave out the round that does not count, and keep it among the raw ones", () => {
    const result = figures("Fast", { rate: 1 }, { rate: 10 }, { rate: 30 });
    expect(result).toMatchObject({ metrics: { rate: { median: 20, values: [10, 30] } } });
    expect("runs" in result && result.runs).toHaveLength(3);
  });

  it("are none where a round failed", () => {
    const run = { round: 0, seconds: 1, busyCores: 0, metrics: { rate: 5 }, details: {} };
    expect(resultOf("Slow", [run, { round: 1, error: "crashed" }])).toEqual({
      label: "Slow",
      error: "crashed",
      round: 1,
    });
  });
});

describe("bars", () => {
  const bar = { title: "speed", workload: "speed", case: "small", metric: "rate" };
  const results = resultsOf({
    ours: figures("Ours", { rate: 0 }, { rate: 100 }),
    other: figures("Other", { rate: 0 }, { rate: 80 }),
    "node-llama-cpp": figures("Default", { rate: 0 }, { rate: 10 }),
    "node-llama-cpp-t1": figures("One", { rate: 0 }, { rate: 50 }),
    slow: failed,
  });

  it.each<[Partial<Bar>, string, number | null]>([
    [{ than: "other", atLeast: 1.25 }, "reached", 1.25],
    [{ than: "other", atLeast: 1.26 }, "missed", 1.25],
    [{ than: "other", atMost: 1.2 }, "missed", 1.25],
    [{ than: "best node-llama-cpp", atLeast: 2 }, "reached", 2],
    [{ than: "best node-llama-cpp", atMost: 10 }, "reached", 10],
    [{ atMost: 100 }, "reached", 100],
    [{ atLeast: 101 }, "missed", 100],
    [{ than: "case small", atMost: 1 }, "reached", 1],
    [{ than: "slow", atLeast: 1 }, "not measured", null],
    [{ than: "absent", atLeast: 1 }, "not measured", null],
    [{ metric: "batch", atLeast: 1 }, "not measured", null],
    [{ workload: "absent", atLeast: 1 }, "not measured", null],
  ])("%j is %s", (part, outcome, value) => {
    const [verdict] = checkBars(results, [{ ...bar, ...part }]);
    expect(verdict).toMatchObject({ outcome, value });
  });

  it("count a program that was stopped as one that takes longer, where that decides", () => {
    const timed = (others: Record<string, Program>): Results =>
      resultsOf({ ours: figures("Ours", { seconds: 0 }, { seconds: 4 }), ...others });
    const verdictOf = (programs: Record<string, Program>, than: string, atMost: number): unknown => {
      const [verdict] = checkBars(timed(programs), [{ ...bar, metric: "seconds", than, atMost }]);
      return [verdict!.outcome, describeValue(verdict!), verdict!.reason];
    };
    expect(verdictOf({ other: stopped }, "other", 0.2)).toEqual(["reached", "≤ 0.05 ×", ""]);
    expect(verdictOf({ other: stopped }, "other", 0.04)).toEqual([
      "not measured",
      "–",
      "other was stopped after 80 seconds",
    ]);
    const finished = figures("One", { seconds: 0 }, { seconds: 20 });
    const both = { "node-llama-cpp": stopped, "node-llama-cpp-t1": finished };
    expect(verdictOf(both, "best node-llama-cpp", 0.3)).toEqual(["reached", "0.20 ×", ""]);
    expect(verdictOf({ "node-llama-cpp": stopped }, "best node-llama-cpp", 0.3)).toEqual(["reached", "≤ 0.05 ×", ""]);
    // Neither other figures nor its own.
    const [rate] = checkBars(resultsOf({ ours: figures("Ours", { rate: 0 }, { rate: 1 }), other: stopped }), [
      { ...bar, than: "other", atMost: 10 },
    ]);
    expect(rate).toMatchObject({ outcome: "not measured", reason: "other failed" });
    const [own] = checkBars(resultsOf({ ours: stopped }), [{ ...bar, metric: "seconds", atMost: 100 }]);
    expect(own).toMatchObject({ outcome: "not measured", reason: "ours was stopped" });
  });

  it("say what is asked and what was found", () => {
    const [ratio] = checkBars(results, [{ ...bar, than: "other", atLeast: 1.2 }]);
    expect([describeBar(ratio!.bar), describeValue(ratio!)]).toEqual(["≥ 1.2 × other", "1.25 ×"]);
    const [absolute] = checkBars(results, [{ ...bar, atMost: 300, unit: "ms" }]);
    expect([describeBar(absolute!.bar), describeValue(absolute!)]).toEqual(["≤ 300 ms", "100.0 ms"]);
  });

  it("name cases and metrics that exist", async () => {
    for (const { workload: name, case: caseName, metric, than } of BARS) {
      const workload = await loadWorkload(WORKLOAD_NAMES.find((known) => known === name)!);
      const cases = workload.cases({ quick: false }).map((testCase) => testCase.name);
      expect(cases).toContain(caseName);
      if (than?.startsWith("case ")) expect(cases).toContain(than.slice("case ".length));
      expect(Object.keys(workload.metrics)).toContain(metric);
    }
  });
});

describe("the report", () => {
  const results = resultsOf({
    ours: figures("Ours", { rate: 0 }, { rate: 10.04, batch: 2 }),
    slow: failed,
    stuck: stopped,
  });

  it("has a table of what was measured, and failures with their error instead of a number", () => {
    const text = report(results);
    expect(text).toContain("| Ours | 10.0 | 2.00 |");
    expect(text).toContain("| Slow | failed | failed |");
    expect(text).toContain("Slow failed in round 1:\n\n    ended with SIGSEGV\n    out of luck");
    expect(text).toContain("| Stuck | > 80 s, stopped | > 80 s, stopped |");
    expect(text).toContain("Stuck was stopped in the round that does not count:\n\n    not finished after 80 seconds");
    expect(text).toContain("Some CPU, 2 cores, 8.0 GB of memory");
  });

  it("says when the machine was busy", () => {
    const busy = { ...results.workloads["speed"]!, warning: "other programs ran", loadBefore: 3 };
    const text = report({ ...results, workloads: { speed: busy } });
    expect(text).toContain("**The machine was busy before: its load average was 3.00.**");
    expect(text).toContain('**The machine was busy during "Speed": other programs ran.**');
  });

  it("escapes what would end a cell", () => {
    expect(markdownTable([["a|b"], ["c"]], ["left"])).toBe("| a\\|b |\n| --- |\n| c |");
  });

  it("draws a bar for each program, and says which failed", () => {
    const panels = panelsOf(results);
    expect(panels).toEqual([
      {
        title: "Speed, tokens/s",
        better: "more",
        digits: 1,
        bars: [
          { label: "Ours", value: 10.04, own: true },
          { label: "Slow", value: null, own: false, outcome: "failed" },
          { label: "Stuck", value: null, own: false, outcome: "> 80 s, stopped" },
        ],
      },
    ]);
    const svg = drawChart(panels, "a < b");
    expect(svg).toContain("a &lt; b");
    expect(svg).toContain(">failed<");
    expect(svg).toContain(">&gt; 80 s, stopped<");
    expect(svg.match(/<rect /g)).toHaveLength(4);
  });
});

describe("results of several runs", () => {
  const one = resultsOf({ ours: figures("Ours", { rate: 0 }, { rate: 1 }) });
  const renamed = (results: Results, name: string): Results => ({
    ...results,
    workloads: { [name]: results.workloads["speed"]! },
  });

  it("are kept together, in the order of the report", () => {
    const merged = mergeResults(renamed(one, "b"), renamed(one, "a"), ["a", "b", "c"]);
    expect(Object.keys(merged.workloads)).toEqual(["a", "b"]);
    expect(mergeResults(null, one, ["speed"])).toBe(one);
    const withPeer = { ...renamed(one, "b"), versions: { ...one.versions, peer: "3.0.0" } };
    expect(mergeResults(withPeer, renamed(one, "a"), ["a", "b"])).toMatchObject({
      versions: withPeer.versions,
      workloads: { a: {}, b: {} },
    });
  });

  it("of different machines or versions are not", () => {
    const elsewhere = { ...renamed(one, "b"), machine: { ...one.machine, cores: 64 } };
    expect(Object.keys(mergeResults(elsewhere, renamed(one, "a"), ["a", "b"]).workloads)).toEqual(["a"]);
    const newer = { ...renamed(one, "b"), versions: { "llama-native": "2.0.0" } };
    expect(Object.keys(mergeResults(newer, renamed(one, "a"), ["a", "b"]).workloads)).toEqual(["a"]);
  });

  it("tell this project's own failures", () => {
    expect(ownFailures(resultsOf({ ours: failed }), ["speed"])).toEqual([
      "speed, small: ended with SIGSEGV\nout of luck",
    ]);
    expect(ownFailures(resultsOf({ ours: failed }), [])).toEqual([]);
    expect(ownFailures(resultsOf({ slow: failed }), ["speed"])).toEqual([]);
  });
});

describe("a busy machine", () => {
  it("is told by what others took before the runs", () => {
    expect(busyWarning([0, 0.01, 0])).toBeNull();
    expect(busyWarning([0, 0.9])).toBe("other programs took processor time before 1 of 2 runs");
  });

  it("is told by the load before the start", () => {
    expect([isLoaded(0.4, 2), isLoaded(0.6, 2), isLoaded(2, 64)]).toEqual([false, true, false]);
  });
});

describe("the command line", () => {
  it("chooses workloads and programs", () => {
    expect(readArguments(["stall", "streams", "--programs", "fugood,ours", "--rounds", "3", "--check"])).toEqual({
      workloads: ["streams", "stall"],
      programs: ["ours", "fugood"],
      rounds: 3,
      quick: false,
      out: null,
      check: true,
      run: true,
    });
    expect(readArguments([])?.workloads).toEqual(WORKLOAD_NAMES);
    expect(readArguments(["--help"])).toBeNull();
  });

  it.each([
    [["speed"], "for a workload but received speed"],
    [["--programs", "ours,theirs"], "for --programs but received theirs"],
    [["--rounds", "0"], "for --rounds but received 0"],
    [["--fast"], "Unknown option '--fast'"],
  ])("refuses %j", (args, message) => {
    expect(() => readArguments(args)).toThrow(message);
  });
});

describe("a run", () => {
  const job = {
    workload: "absent",
    program: { id: "ours", family: "ours" as const, label: "Ours", threads: null },
    case: { name: "small", model: "125m" as const },
    modelPath: "",
    prompts: [],
    tools: null,
  };

  it("that throws is a failure with its message", async () => {
    const run = await runJob(job, 60);
    expect("error" in run && run.error).toMatch(/^Error \[?.*Cannot find module/);
  });

  it("that cannot even start is one as well", async () => {
    const run = await runJob({ ...job, case: { ...job.case, nodeOptions: ["--no-such-option"] } }, 60);
    expect("error" in run && run.error).toMatch(/^ended with code 9\n.*bad option/s);
  });

  it("that takes too long is stopped, and says after how long", async () => {
    expect(await runJob(job, 0.01)).toMatchObject({
      error: "not finished after 0.01 seconds",
      stoppedAfterSeconds: 0.01,
    });
  });

  it("is told from what programs print besides", () => {
    expect(lastResult('loading\n{"bench":{"metrics":{"rate":1}}}\nbye')).toEqual({ metrics: { rate: 1 } });
    expect(lastResult("loading")).toBeNull();
  });
});
