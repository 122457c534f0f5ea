// Says in two lines which build tools are missing and how to install them here.

import { findExecutable } from "./executables.mjs";
import { MIN_CMAKE } from "./toolchain.mjs";

/** @typedef {import("./toolchain.mjs").MissingTool} MissingTool */

/** @type {Record<MissingTool, string>} */
const NAMES = {
  cmake: "CMake",
  "cmake-too-old": `CMake ${MIN_CMAKE.major}.${MIN_CMAKE.minor} or newer`,
  compiler: "a C++17 compiler",
  make: "Ninja or Make",
};

/** Package names by package manager; the first manager found on the machine is the one to name. */
const APT = {
  program: "apt-get",
  command: "sudo apt-get install -y",
  cmake: "cmake",
  compiler: "g++",
  make: "ninja-build",
};
const LINUX_MANAGERS = [
  APT,
  { program: "dnf", command: "sudo dnf install -y", cmake: "cmake", compiler: "gcc-c++", make: "ninja-build" },
  { program: "yum", command: "sudo yum install -y", cmake: "cmake", compiler: "gcc-c++", make: "make" },
  { program: "zypper", command: "sudo zypper install -y", cmake: "cmake", compiler: "gcc-c++", make: "ninja" },
  { program: "pacman", command: "sudo pacman -S --needed", cmake: "cmake", compiler: "gcc", make: "ninja" },
  { program: "apk", command: "apk add", cmake: "cmake", compiler: "g++", make: "ninja" },
];

/**
 * @param {MissingTool[]} missing
 * @param {NodeJS.ProcessEnv} [env]
 * @param {NodeJS.Platform} [platform]
 */
export function missingToolsMessage(missing, env = process.env, platform = process.platform) {
  const names = missing.map((tool) => NAMES[tool]).join(" and ");
  const verb = missing.length === 1 ? "is" : "are";
  return [
    `llama-native: the addon was not built, because ${names} ${verb} missing.`,
    `To get it, run: ${installCommands(missing, env, platform).join(" && ")} && npx llama-native build`,
  ].join("\n");
}

/**
 * @param {MissingTool[]} missing
 * @param {NodeJS.ProcessEnv} env
 * @param {NodeJS.Platform} platform
 */
function installCommands(missing, env, platform) {
  const wantsCmake = missing.includes("cmake") || missing.includes("cmake-too-old");
  if (platform === "darwin") {
    return [
      ...(missing.includes("compiler") || missing.includes("make") ? ["xcode-select --install"] : []),
      ...(wantsCmake ? ["brew install cmake"] : []),
    ];
  }
  if (platform === "win32") {
    const workload = '--override "--passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"';
    return [
      ...(missing.includes("compiler") ? [`winget install Microsoft.VisualStudio.2022.BuildTools ${workload}`] : []),
      ...(wantsCmake ? ["winget install Kitware.CMake"] : []),
    ];
  }
  return linuxCommands(missing, env);
}

/**
 * @param {MissingTool[]} missing
 * @param {NodeJS.ProcessEnv} env
 */
function linuxCommands(missing, env) {
  const manager = LINUX_MANAGERS.find(({ program }) => findExecutable(program, env) !== null) ?? APT;
  /** @type {string[]} */
  const packages = [];
  for (const tool of missing) {
    // A distribution whose CMake is too old is helped by CMake's own wheel.
    if (tool !== "cmake-too-old") packages.push(manager[tool]);
  }
  return [
    ...(packages.length > 0 ? [`${manager.command} ${packages.join(" ")}`] : []),
    ...(missing.includes("cmake-too-old") ? ["pip install cmake"] : []),
  ];
}
