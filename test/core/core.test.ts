import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

const run = promisify(execFile);

async function hasAvx512(): Promise<boolean> {
  const options = ["-march=native", "-dM", "-E", "-xc++", "/dev/null"];
  const { stdout } = await run(process.env["CXX"] ?? "c++", options);
  return stdout.includes("__AVX512BW__");
}

test("the parts of native/core without Node or model pass their own tests under the sanitizers", async () => {
  const script = join(import.meta.dirname, "../../scripts/test-core.mjs");
  const { stdout } = await run(process.execPath, [script]);
  const results = [...stdout.matchAll(/(\d+) of (\d+) tests passed/g)].map(([, passed, total]) => [passed, total]);
  // Products are tested on x86, twice where the compiler takes the processor for one with AVX-512.
  expect(results).toHaveLength(process.arch !== "x64" ? 2 : (await hasAvx512()) ? 4 : 3);
  for (const [passed, total] of results) expect(passed).toBe(total);
}, 240_000);
