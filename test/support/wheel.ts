import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { ZipFile } from "yazl";

import type { WheelModel } from "../../src/hub/wheel-model.js";

/** Writes a Python wheel that carries `content` as a model, and describes that model as the catalogue would. */
export async function writeWheel(path: string, content: Buffer): Promise<WheelModel> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from("# nothing\n"), "example/__init__.py");
  zip.addBuffer(content, "example/model.gguf");
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
  return {
    name: "Example",
    fileName: "Example.Q4_1.gguf",
    sizeBytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    requirement: "example==1.0",
    entry: "example/model.gguf",
    wheelBytes: content.length,
  };
}

/** What the stand-in for pip does; `slow` stays until it is killed, `noPip` is a Python without pip. */
export type FakePip = "works" | "fails" | "slow" | "noPip";

/**
 * Writes a `python3` into `folder` that stands in for `python3 -m pip download`, delivering `wheel`. It notes each of its
 * starts as a line of `<folder>/starts`.
 */
export async function writeFakePython(folder: string, wheel: string, behaviour: FakePip): Promise<void> {
  await mkdir(folder, { recursive: true });
  const program = `#!${process.execPath}
const { appendFileSync, copyFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const args = process.argv.slice(2);
appendFileSync(${JSON.stringify(join(folder, "starts"))}, process.pid + " " + args.join(" ") + "\\n");
const dest = args[args.indexOf("--dest") + 1];
const behaviour = ${JSON.stringify(behaviour)};
if (behaviour === "noPip") {
  process.stderr.write("/usr/bin/python3: No module named pip\\n");
  process.exitCode = 1;
} else if (behaviour === "fails") {
  process.stderr.write("Looking in links\\nERROR: No matching distribution found for example==1.0\\n");
  process.exitCode = 1;
} else if (behaviour === "slow") {
  writeFileSync(join(process.env.TMPDIR, "half.whl.part"), "half");
  setTimeout(() => {}, 60_000);
} else {
  setTimeout(() => copyFileSync(${JSON.stringify(wheel)}, join(dest, "example-1.0-py3-none-any.whl")), 300);
}
`;
  await writeFile(join(folder, "python3"), program);
  await chmod(join(folder, "python3"), 0o755);
}
