// Parts of another release of Debian's, unpacked into a folder; nothing is installed.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What programs take for granted, so that no package names it. */
const ESSENTIAL = ["base-files", "bash", "coreutils", "dash", "findutils", "grep", "sed"];
const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * @param {string} release such as bullseye
 * @param {string[]} packages of this machine's architecture, or with the name of another: musl:arm64
 * @param {string} folder
 * @returns {string} the folder that has their files
 */
export function unpackDebian(release, packages, folder) {
  const others = [...new Set(packages.flatMap((name) => name.split(":").slice(1)))];
  const { root, debs, settings } = prepare(release, folder, others);
  aptGet([...settings, "download", ...packages.map((name) => `${name}/${release}`)], debs);
  unpack(debs, root);
  return root;
}

/**
 * The same with all that they depend on, which `chroot` can enter. None of their scripts was run, so that there are no
 * alternatives, such as `c++`, and no users.
 * @param {string} release
 * @param {string[]} packages
 * @param {string} folder
 * @returns {string}
 */
export function unpackSystem(release, packages, folder) {
  const { root, settings } = prepare(release, folder);
  const nothing = join(folder, "status"); // is installed there
  writeFileSync(nothing, "");
  const own = ["-o", `Dir::State::status=${nothing}`, "-o", "APT::Install-Recommends=false"];
  const debs = join(folder, "cache", "archives");
  aptGet([...settings, ...own, "--yes", "--download-only", "install", ...ESSENTIAL, ...packages], folder);
  unpack(debs, root);
  rmSync(debs, { recursive: true });
  return root;
}

/** @param {string} release @param {string} folder @param {string[]} [architectures] beside this machine's */
function prepare(release, folder, architectures = []) {
  const [lists, debs, root] = [join(folder, "lists"), join(folder, "debs"), join(folder, "root")];
  const cache = join(folder, "cache");
  for (const each of [join(lists, "partial"), join(cache, "archives", "partial"), debs, root])
    mkdirSync(each, { recursive: true });
  const source = join(folder, "sources.list");
  writeFileSync(source, `deb [signed-by=${KEYS}] ${mirror()} ${release} main\n`);
  const settings = [
    ...[
      `Dir::Etc::sourcelist=${source}`,
      "Dir::Etc::sourceparts=-",
      `Dir::State::Lists=${lists}`,
      `Dir::Cache=${cache}`,
    ],
    "APT::Sandbox::User=root",
    ...architectures.map((architecture) => `APT::Architectures::=${architecture}`),
  ].flatMap((setting) => ["-o", setting]);
  aptGet([...settings, "update"], folder);
  return { root, debs, settings };
}

/** @param {string[]} args @param {string} cwd */
function aptGet(args, cwd) {
  execFileSync("apt-get", ["-q", ...args], { cwd, stdio: "pipe", maxBuffer: 1e8 });
}

/** @param {string} debs @param {string} root */
function unpack(debs, root) {
  const files = readdirSync(debs).filter((file) => file.endsWith(".deb"));
  // Folders that are links in today's systems, as /bin, come with it.
  files.sort((a, b) => Number(b.startsWith("base-files_")) - Number(a.startsWith("base-files_")));
  for (const file of files) execFileSync("dpkg", ["-x", join(debs, file), root]);
}

/** Where this machine gets its own release from. */
function mirror() {
  const release = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const targets = execFileSync(
    "apt-get",
    ["indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
    { encoding: "utf8" },
  );
  const line = targets.split("\n").find((each) => each.startsWith(`${release} `));
  if (line === undefined) throw new Error("Expected apt to know where this release is from: run apt-get update");
  return line.split(" ")[1] ?? "";
}
