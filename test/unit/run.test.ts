import { expect, it } from "vitest";

import { inShell } from "../../scripts/lib/run.mjs";

it("a shell of Windows gets words with spaces in quotes", () => {
  const args = ["pack", "--pack-destination", "C:\\Users\\Ann Lee\\a&b", "--loglevel=error", ""];
  expect(inShell("C:\\Program Files\\nodejs\\npm.cmd", args, "win32")).toEqual([
    '"C:\\Program Files\\nodejs\\npm.cmd"',
    ["pack", "--pack-destination", '"C:\\Users\\Ann Lee\\a&b"', "--loglevel=error", '""'],
  ]);
});

it("programs get their words as they are", () => {
  expect(inShell("C:\\a b\\node.exe", ["x y"], "win32")).toEqual(["C:\\a b\\node.exe", ["x y"]]);
  expect(inShell("npm.cmd", ["x y"], "linux")).toEqual(["npm.cmd", ["x y"]]);
});
