import { posix, win32 } from "node:path";

import { describe, expect, it } from "vitest";

import { isInside } from "../../src/hub/is-inside.js";

describe("a path is inside a folder", () => {
  it.each([
    ["/cache", "/cache/models", true],
    ["/cache", "/cache/..models/x", true],
    ["/cache", "/cache", false],
    ["/cache", "/", false],
    ["/cache", "/cache-2/models", false],
    ["/cache/hub", "/cache/own", false],
  ])("%s: %s is %j", (folder, path, expected) => {
    expect(isInside(folder, path, posix)).toBe(expected);
  });

  it.each([
    ["C:\\cache", "C:\\cache\\models", true],
    ["C:\\cache", "c:\\Cache\\models", true],
    ["C:\\cache", "C:\\", false],
    ["C:\\cache", "C:\\other", false],
    ["C:\\cache", "D:\\models\\mine.gguf", false],
    ["C:\\cache", "\\\\server\\share\\mine.gguf", false],
  ])("on Windows %s: %s is %j", (folder, path, expected) => {
    expect(isInside(folder, path, win32)).toBe(expected);
  });
});
