// Says in two lines which build tools are missing and how to install them here.

import { MIN_COMPILERS, withPlainCompilers } from "./compilers.mjs";
import { findExecutable } from "./executables.mjs";
import { MIN_CMAKE, visualStudioComponents } from "./toolchain.mjs";

/**
 * @typedef {import("./toolchain.mjs").MissingTool} MissingTool
 * @typedef {import("./toolchain.mjs").Lack} Lack
 * @typedef {{ platform: NodeJS.Platform, arch: string }} Machine
 */

/** @type {Record<Exclude<MissingTool, "cmake-too-old">, string>} */
const NAMES = {
  cmake: "CMake",
  compiler: "a C++17 compiler",
  "compiler-too-old": `GCC ${MIN_COMPILERS.gcc}, Clang ${MIN_COMPILERS.clang} or newer`,
  make: "Ninja or Make",
};
const CLANG_FOR_ARM = "Visual Studio with its tools for ARM64 and its Clang";

/**
 * Package names by package manager; the first manager found on the machine is the one to name.
 * @typedef {object} Manager
 * @property {string} program
 * @property {string} command
 * @property {string} cmake
 * @property {string} compiler
 * @property {string} make
 * @property {string} [newerCompiler] beside one that is too old, where the manager's older systems have one
 * @property {string} [variables] by which a build then finds it, unless its name tells (compilers.mjs)
 */

/** @type {Manager} */
const APT = {
  program: "apt-get",
  command: "sudo apt-get install -y",
  cmake: "cmake",
  compiler: "g++",
  make: "ninja-build",
};
const TOOLSET = "/opt/rh/gcc-toolset-12/root/usr/bin";
/** @type {Manager[]} */
const LINUX_MANAGERS = [
  APT,
  {
    ...{ program: "dnf", command: "sudo dnf install -y", cmake: "cmake", compiler: "gcc-c++", make: "ninja-build" },
    newerCompiler: "gcc-toolset-12-gcc-c++",
    variables: `CC=${TOOLSET}/gcc CXX=${TOOLSET}/g++`,
  },
  { program: "yum", command: "sudo yum install -y", cmake: "cmake", compiler: "gcc-c++", make: "make" },
  {
    ...{ program: "zypper", command: "sudo zypper install -y", cmake: "cmake", compiler: "gcc-c++", make: "ninja" },
    newerCompiler: "gcc12-c++",
  },
  { program: "pacman", command: "sudo pacman -S --needed", cmake: "cmake", compiler: "gcc", make: "ninja" },
  { program: "apk", command: "apk add", cmake: "cmake", compiler: "g++", make: "ninja" },
];
const BY_HAND = "install one (it is found as g++-12 or clang++-15 and the like, and by CC and CXX)";

/**
 * @param {Lack} lack
 * @param {NodeJS.ProcessEnv} [env]
 * @param {Machine} [machine]
 */
export function missingToolsMessage({ missing, compiler, minCmake = MIN_CMAKE }, env = process.env, machine = process) {
  const isOld = missing.includes("compiler-too-old");
  const isWindows = machine.platform === "win32";
  const names = missing
    .map((tool) => {
      if (tool === "compiler" && isWindows && machine.arch === "arm64") return CLANG_FOR_ARM;
      return tool === "cmake-too-old" ? `CMake ${minCmake.major}.${minCmake.minor} or newer` : NAMES[tool];
    })
    .join(" and ");
  const verb = missing.length === 1 ? "is" : "are";
  const wrong = missing.includes("compiler") && !isWindows ? wrongVariables(withPlainCompilers(env)) : [];
  const found = isOld && compiler !== null ? ` (${compiler.path} is ${compiler.version})` : describeVariables(wrong);
  const { commands, byHand, variables } = remedy(missing, env, machine);
  const build = `${variables === "" ? "" : `${variables} `}npx llama-native build`;
  const steps = [...commands, ...(wrong.length === 0 ? [] : [`unset ${wrong.map(({ name }) => name).join(" ")}`])];
  // What Windows installs is on the PATH of new terminals alone, and its own shell does not know "&&".
  const run = isWindows ? [...steps, `in a new terminal ${build}`].join("; then ") : [...steps, build].join(" && ");
  return [
    `llama-native: the addon was not built, because ${names} ${verb} missing${found}.`,
    `To get it, ${byHand ? `${BY_HAND}, then run: ${run}` : `run: ${run}`}`,
  ].join("\n");
}

/** Of those that name compilers, which name none. @param {NodeJS.ProcessEnv} env */
function wrongVariables(env) {
  const named = ["CC", "CXX"].map((name) => ({ name, program: env[name] ?? "" }));
  return named.filter(({ program }) => program !== "" && findExecutable(program, env) === null);
}

/** @param {{ name: string, program: string }[]} wrong */
function describeVariables(wrong) {
  if (wrong.length === 0) return "";
  return ` (there is no program ${wrong.map(({ name, program }) => `"${program}", which ${name} names`).join(", nor ")})`;
}

/**
 * @typedef {object} Remedy
 * @property {string[]} commands
 * @property {boolean} byHand whether there is a compiler to install that no command is known for
 * @property {string} variables for the build that follows
 *
 * @param {MissingTool[]} missing
 * @param {NodeJS.ProcessEnv} env
 * @param {Machine} machine
 * @returns {Remedy}
 */
function remedy(missing, env, { platform, arch }) {
  const wantsCmake = missing.includes("cmake") || missing.includes("cmake-too-old");
  const plain = { byHand: false, variables: "" };
  if (platform === "darwin") {
    const commands = [
      ...(missing.includes("compiler") || missing.includes("make") ? ["xcode-select --install"] : []),
      ...(missing.includes("compiler-too-old") ? ["softwareupdate --install --all"] : []),
      ...(wantsCmake ? ["brew install cmake"] : []),
    ];
    return { ...plain, commands };
  }
  if (platform === "win32") {
    // What is recommended of it has the tools for x64.
    const parts =
      arch === "arm64"
        ? visualStudioComponents(arch)
            .map((name) => ` --add ${name}`)
            .join("")
        : "";
    const workload = `--override "--passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended${parts}"`;
    const commands = [
      ...(missing.includes("compiler") ? [`winget install Microsoft.VisualStudio.2022.BuildTools ${workload}`] : []),
      ...(wantsCmake ? ["winget install Kitware.CMake"] : []),
    ];
    return { ...plain, commands };
  }
  return linuxRemedy(missing, env);
}

/**
 * @param {MissingTool[]} missing
 * @param {NodeJS.ProcessEnv} env
 * @returns {Remedy}
 */
function linuxRemedy(missing, env) {
  const manager = LINUX_MANAGERS.find(({ program }) => findExecutable(program, env) !== null) ?? APT;
  /** @type {string[]} */
  const packages = [];
  for (const tool of missing) {
    if (tool === "compiler-too-old")
      packages.push(...(manager.newerCompiler === undefined ? [] : [manager.newerCompiler]));
    // A distribution whose CMake is too old is helped by CMake's own wheel.
    else if (tool !== "cmake-too-old") packages.push(manager[tool]);
  }
  const isOld = missing.includes("compiler-too-old");
  return {
    commands: [
      ...(packages.length > 0 ? [`${manager.command} ${packages.join(" ")}`] : []),
      ...(missing.includes("cmake-too-old") ? ["pip install cmake"] : []),
    ],
    byHand: isOld && manager.newerCompiler === undefined,
    variables: isOld ? (manager.variables ?? "") : "",
  };
}
