import { describe, expect, it } from "vitest";
import { forOutput } from "../../scripts/lib/reporter.mjs";

/** What is written for 50 steps of 1 and a closing message. */
function report(updates: boolean): string {
  let text = "";
  const reporter = forOutput({ write: (part) => void (text += part), updates, columns: 80 });
  for (let done = 1; done <= 50; done++) reporter.progress(done, 50, "building");
  reporter.say("built");
  reporter.close();
  return text;
}

describe("progress", () => {
  it("is a line every ten percent where lines cannot be overwritten", () => {
    const lines = report(false).trimEnd().split("\n");
    expect(lines).toHaveLength(11);
    expect(lines[0]).toMatch(/^\[ 10%\] 5\/50 building {2}0:0\d$/);
    expect(lines[9]).toMatch(/^\[100%\] 50\/50 building/);
    expect(lines[10]).toBe("built");
  });

  it("is one line on a terminal, cleared before anything else is said", () => {
    const text = report(true);
    expect(text.split("\n")).toHaveLength(2);
    expect(text).toContain("\r\u001b[K[ 74%] 37/50 building");
    expect(text.endsWith("\r\u001b[Kbuilt\n")).toBe(true);
  });
});
