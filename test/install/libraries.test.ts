// The file that `npm run build` makes of the libraries a build uses, beside npm's own.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageDir } from "./sandbox.js";

const folder = join(packageDir, "dist", "tools");
const bundled = join(folder, "libraries.cjs");
const npms = join(packageDir, "scripts", "lib", "npm-libraries.cjs");

/** The command lines that cmake-js composes on a platform; it asks for that when it is loaded. */
function commandsOn(platform: string, libraries: string): string[] {
  const options = {
    ...{ directory: join(packageDir, "native"), out: "/out", config: "Release", target: "addon", parallel: "2" },
    ...{ cmakePath: "cmake", generator: "Ninja", cCompilerPath: "cc", cppCompilerPath: "c++", noLog: true },
  };
  const program = `
    require("node:os").platform = () => "${platform}";
    Object.defineProperty(process, "platform", { value: "${platform}" });
    const { BuildSystem } = require(${JSON.stringify(libraries)});
    const system = new BuildSystem(${JSON.stringify(options)});
    Promise.all([system.getConfigureCommand(), system.getBuildCommand()])
      .then((commands) => console.log(JSON.stringify(commands.flat())));`;
  return JSON.parse(execFileSync(process.execPath, ["--eval", program], { encoding: "utf8" })) as string[];
}

/** Files of cmake-js itself, which lie elsewhere, by what is in them. */
function withContents(argument: string): string {
  const path = /^-DCMAKE_JS_SRC=(.+)$/.exec(argument)?.[1];
  return path === undefined ? argument : readFileSync(path, "utf8");
}

describe("the libraries of a build", () => {
  it.each(["linux", "darwin", "win32"])("compose on %s what npm's compose", (platform) => {
    const commands = commandsOn(platform, bundled).map(withContents);
    expect(commands).toEqual(commandsOn(platform, npms).map(withContents));
    expect(commands.join(" ").includes("DelayLoad")).toBe(platform === "win32");
  });

  it("find the files of cmake-js that it looks for beside its code", () => {
    const code = readFileSync(bundled, "utf8");
    const joined = [...code.matchAll(/\.join\(__dirname,((?:[`"'][^`"']*[`"'],?)+)\)/g)];
    const files = joined.map(([, names = ""]) => join(folder, ...names.split(",").map((name) => name.slice(1, -1))));
    expect(files).toHaveLength(code.split("__dirname").length - 1);
    expect(files).toContain(join(folder, "Find-VisualStudio.cs"));
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });
});
