// ROCm for a machine without it: AMD's own packages are not in Debian's archive, but Debian's next release has its own, which are
// unpacked into a folder with all that a build needs beside them. Programs of that system run in it, and see this machine's
// folders by their own names.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gatherGpuFacts } from "../lib/gpu/facts.mjs";
import { cacheDir, packageDir } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { unpackSystem } from "../systems/debian.mjs";

const RELEASE = "forky";
const PACKAGES = ["hipcc", "libamdhip64-dev", "libhipblas-dev", "librocblas-dev", "cmake", "make", "g++", "nodejs"];
const LIBRARIES = join("usr", "lib", "x86_64-linux-gnu");
/** The root, folders that are there as here, `--`, then variables and the command. */
const ENTER = `
root=$1; shift
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --rbind "$1" "$root$1"; shift; done; shift
exec chroot "$root" /usr/bin/env -i "$@"`;

export class RocmSystem {
  #root;
  #folders;

  /** @param {string} root @param {string[]} folders of this machine that it sees */
  constructor(root, folders) {
    this.#root = root;
    this.#folders = ["/proc", "/dev", "/sys", packageDir, cacheDir(), ...folders];
  }

  /** Of its ROCm, as a build there finds it. */
  version() {
    const { rocm } = gatherGpuFacts({ PATH: "", ROCM_PATH: join(this.#root, "usr") }, this.#root, this.#root);
    return rocm?.version ?? "unknown";
  }

  /**
   * @param {string[]} command
   * @param {NodeJS.ProcessEnv} env
   * @param {(line: string) => void} [onLine]
   */
  async run(command, env, onLine) {
    const variables = Object.entries({
      PATH: "/usr/bin:/bin",
      HOME: "/root",
      LLAMA_NATIVE_CACHE_DIR: cacheDir(),
      ...env,
    });
    const words = variables.map(([name, value]) => `${name}=${value}`);
    const args = ["-m", "sh", "-euc", ENTER, "sh", this.#root, ...this.#folders, "--", ...words, ...command];
    return await run("unshare", args, onLine === undefined ? {} : { onLine });
  }

  /**
   * Without the libraries whose names begin so.
   * @template T
   * @param {string[]} names
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  async without(names, act) {
    const folder = join(this.#root, LIBRARIES);
    const gone = readdirSync(folder).filter((file) => names.some((name) => file.startsWith(name)));
    for (const file of gone) renameSync(join(folder, file), join(folder, `gone-${file}`));
    try {
      return await act();
    } finally {
      for (const file of gone) renameSync(join(folder, `gone-${file}`), join(folder, file));
    }
  }
}

/**
 * The system, which is fetched once.
 * @param {string[]} folders of this machine that it is to see
 * @returns {RocmSystem}
 */
export function findRocm(folders) {
  const folder = join(cacheDir(), "rocm-system");
  const marker = join(folder, ".complete");
  const root = join(folder, "root");
  if (!existsSync(marker)) {
    console.log("Fetching a system with ROCm (0.6 GB)");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    unpackSystem(RELEASE, PACKAGES, folder);
    // The kernels of rocBLAS for all of AMD's GPUs, of which there is none: 3 GB.
    const kernels = join(root, LIBRARIES, "rocblas");
    rmSync(kernels, { recursive: true, force: true });
    writeFileSync(marker, "");
  }
  restore(root);
  return new RocmSystem(root, folders);
}

/** What a run that was interrupted has left. @param {string} root */
function restore(root) {
  const folder = join(root, LIBRARIES);
  for (const file of readdirSync(folder).filter((name) => name.startsWith("gone-")))
    renameSync(join(folder, file), join(folder, file.slice("gone-".length)));
  rmSync(join(root, "tmp"), { recursive: true, force: true }); // the folders of earlier runs, seen in them alone
}
