import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkLoads, checkRuns } from "../../scripts/lib/load-check.mjs";
import { builtAddon } from "./sandbox.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llama-native-load-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A library that does something as soon as it is loaded, as drivers do. */
function library(start: string): string {
  const [source, path] = [join(folder, "start.c"), join(folder, "start.node")];
  writeFileSync(
    source,
    `#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) void start() { ${start}; }`,
  );
  execFileSync(process.env["CC"] ?? "cc", ["-shared", "-fPIC", source, "-o", path]);
  return path;
}

describe("an addon that is looked at before it is used", () => {
  it("is right where it answers", async () => {
    expect(await checkRuns(builtAddon)).toBeNull();
  });

  it.runIf(process.platform === "linux").each([
    ["never comes back", "pause()", "the process that loads it did not come back within 1 seconds"],
    ["ends the process", "abort()", "the process that loads it ended with SIGABRT"],
    ["is killed", "kill(getpid(), 9)", "the process that loads it ended with SIGKILL"],
    ["is none", "(void) 0", "Module did not self-register: "],
  ])("is told apart where it %s", async (_what, start, problem) => {
    expect(await checkRuns(library(start), false, 1000)).toContain(problem);
  });
});

describe.runIf(process.platform === "linux")("an addon that was just built", () => {
  /** Needs a library by name which is not there when it is loaded. */
  function needing(name: string): string {
    const [source, driver, path] = [join(folder, "empty.c"), join(folder, name), join(folder, "needing.node")];
    writeFileSync(source, "int of_the_driver() { return 0; }");
    execFileSync("cc", ["-shared", "-fPIC", source, "-o", driver, `-Wl,-soname,${name}`]);
    execFileSync("cc", ["-shared", "-fPIC", "-Wl,--no-as-needed", driver, "-o", path]);
    rmSync(driver);
    return path;
  }

  it("for CUDA is kept where only the driver is missing, as where an image is built for another machine", async () => {
    expect(await checkLoads(needing("libcuda.so.1"), { backend: "cuda" })).toEqual({
      unloaded: expect.stringContaining("libcuda.so.1: cannot open shared object file") as string,
    });
  });

  it.each([
    ["cuda", "libcublas.so.99"],
    ["vulkan", "libcuda.so.1"],
  ])("for %s is refused without %s", async (backend, name) => {
    await expect(checkLoads(needing(name), { backend })).rejects.toMatchObject({ reason: "not-loadable" });
  });
});
