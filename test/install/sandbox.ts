import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const packageDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const builtAddon = join(packageDir, "native", "dist", "cpu", "llama-native.node");

export interface Outcome {
  code: number | null;
  output: string;
  milliseconds: number;
}

export interface NotBuilt {
  reason: string;
  message: string;
  logPath: string | null;
}

/**
 * Runs the package's real install scripts with folders of their own and with nothing on the PATH but what a test puts
 * there, so that neither the machine's tools nor the package's real addon take part.
 */
export class Sandbox {
  readonly root: string;
  readonly bin: string;
  readonly cache: string;
  readonly dist: string;
  readonly sources: string;
  readonly addon: string;
  readonly #calls: string;

  constructor(name = "llama-native-install-") {
    this.root = mkdtempSync(join(tmpdir(), name));
    this.bin = join(this.root, "bin");
    this.cache = join(this.root, "cache");
    this.dist = join(this.root, "dist");
    this.sources = join(this.root, "llama.cpp");
    this.addon = join(this.dist, "cpu", "llama-native.node");
    this.#calls = join(this.root, "calls");
    mkdirSync(this.bin);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Puts a program on the PATH that runs `script`; without one it only tells a version. */
  addTool(name: string, script = `echo "${name} 9.9.9"`): void {
    const path = join(this.bin, name);
    // Tools of the script itself come from the machine.
    writeFileSync(path, `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /** A compiler, Ninja, and a CMake whose build step runs `buildScript` in the build folder. */
  addToolchain(buildScript: string): void {
    for (const name of ["cc", "c++", "ninja"]) this.addTool(name);
    this.addTool(
      "cmake",
      `case "$1" in
--version) echo "cmake version 3.30.0" ;;
--build)
  echo build >> "${this.#calls}"
  mkdir -p Release
  ${buildScript} ;;
*) echo configure >> "${this.#calls}"; touch build.ninja ;;
esac`,
    );
  }

  /** How often CMake was asked to build. */
  get builds(): number {
    if (!existsSync(this.#calls)) return 0;
    return readFileSync(this.#calls, "utf8")
      .split("\n")
      .filter((line) => line === "build").length;
  }

  /** A folder that looks like llama.cpp's sources. */
  addSources(version = "0.5.0", folder = this.sources): string {
    const [major, minor, patch] = version.split(".");
    const lines = { MAJOR: major, MINOR: minor, PATCH: patch };
    const list = Object.entries(lines).map(([part, value]) => `set(LLAMA_VERSION_${part} ${value ?? ""})\n`);
    for (const path of ["include/llama.h", "ggml/CMakeLists.txt", "common/sampling.cpp"]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), "");
    }
    writeFileSync(join(folder, "CMakeLists.txt"), list.join(""));
    return folder;
  }

  env(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
    return {
      PATH: this.bin,
      HOME: this.root,
      LLAMA_NATIVE_CACHE_DIR: this.cache,
      LLAMA_NATIVE_OUT_DIR: this.dist,
      LLAMA_NATIVE_SOURCE_DIR: this.sources,
      ...extra,
    };
  }

  /** Starts `node scripts/<script>`; the second promise settles when it has ended. */
  start(
    script: string,
    extra: Record<string, string> = {},
    args: string[] = [],
    mounts: Mounts = {},
  ): [ChildProcess, Promise<Outcome>] {
    const began = Date.now();
    const command = [process.execPath, join(packageDir, "scripts", script), ...args];
    const [program = "", ...rest] = Object.keys(mounts).length === 0 ? command : mounted(mounts, command);
    const child = spawn(program, rest, { env: this.env(extra) });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const outcome = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        resolve({ code, output, milliseconds: Date.now() - began });
      });
    });
    return [child, outcome];
  }

  async run(
    script: string,
    extra: Record<string, string> = {},
    args: string[] = [],
    mounts: Mounts = {},
  ): Promise<Outcome> {
    return await this.start(script, extra, args, mounts)[1];
  }

  get notBuilt(): NotBuilt | undefined {
    const path = join(this.dist, "not-built.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as NotBuilt) : undefined;
  }
}

/**
 * By folder what is mounted there for one program: an empty file system by its options, such as `size=1m` and `ro`, or what is in
 * another folder, in place of what is there or `beside` it, and to be read alone or not.
 */
export type Mounts = Record<string, string | { files: string; beside?: boolean; readOnly?: boolean }>;

/** The command in a name space of its own, where the mounts are seen by nobody else and go with it. */
function mounted(mounts: Mounts, command: string[]): string[] {
  const each = Object.entries(mounts).flatMap(([folder, what]) => {
    if (typeof what === "string") return ["tmpfs", what, "tmpfs", folder];
    if (what.beside !== true) return ["none", what.readOnly === true ? "bind,ro" : "bind", what.files, folder];
    return ["overlay", `lowerdir=${what.files}:${folder}`, "overlay", folder];
  });
  const script = `set -e
for _ in $(/usr/bin/seq ${each.length / 4}); do /bin/mount -t "$1" -o "$2" "$3" "$4"; shift 4; done
exec "$@"`;
  return ["/usr/bin/unshare", "--mount", "--map-root-user", "/bin/sh", "-c", script, "sh", ...each, ...command];
}
