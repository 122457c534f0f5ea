// Parts of another release of Debian's, unpacked into a folder; nothing is installed.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * @param {string} release such as bullseye
 * @param {string[]} packages
 * @param {string} folder
 * @returns {string} the folder that has their files
 */
export function unpackDebian(release, packages, folder) {
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
  ].flatMap((setting) => ["-o", setting]);
  execFileSync("apt-get", ["-q", ...settings, "update"], { stdio: "pipe" });
  execFileSync("apt-get", ["-q", ...settings, "download", ...packages.map((name) => `${name}/${release}`)], {
    ...{ cwd: debs, stdio: "pipe" },
  });
  for (const file of readdirSync(debs)) execFileSync("dpkg", ["-x", join(debs, file), root]);
  return root;
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
