// Compares what the addon exports with the TypeScript contract that the library is written against.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./errors.mjs";
import { checkLoads } from "./load-check.mjs";
import { packageDir } from "./paths.mjs";

const CONTRACT = join(packageDir, "src", "native", "contract.ts");
const INTERFACE = "NativeAddon";

/** Whether the comparison is to be made here: in a checkout alone, since the published package does not carry the contract. */
export function canCheckContract() {
  if (!existsSync(CONTRACT)) return false;
  try {
    import.meta.resolve("typescript");
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} addon
 * @param {string} backend
 * @returns {Promise<number | null>} how many functions there are; null where it cannot be loaded here for want of a driver
 * @throws {BuildError} with every name that is on one side only
 */
export async function checkContract(addon, backend) {
  const declared = await declaredFunctions(readFileSync(CONTRACT, "utf8"));
  const loaded = await checkLoads(addon, { backend });
  if ("unloaded" in loaded) return null;
  const exported = loaded.exports;
  const differences = compareNames(declared, exported);
  if (differences.length === 0) return declared.length;
  const heading = `llama-native: the addon and the interface ${INTERFACE} in src/native/contract.ts differ:`;
  throw new BuildError("build-failed", [heading, ...differences.map((line) => `  - ${line}`)].join("\n"));
}

/**
 * @param {string[]} declared
 * @param {string[]} exported
 */
export function compareNames(declared, exported) {
  return [
    ...declared.filter((name) => !exported.includes(name)).map((name) => `${name} is declared, but not exported`),
    ...exported.filter((name) => !declared.includes(name)).map((name) => `${name} is exported, but not declared`),
  ];
}

/**
 * @param {string} source TypeScript text
 * @returns {Promise<string[]>} the members of the interface
 */
export async function declaredFunctions(source) {
  const { default: ts } = await import("typescript");
  const file = ts.createSourceFile("contract.ts", source, ts.ScriptTarget.Latest);
  const declaration = file.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === INTERFACE,
  );
  if (declaration === undefined || !ts.isInterfaceDeclaration(declaration)) {
    throw new BuildError("build-failed", `llama-native: there is no interface ${INTERFACE} in ${CONTRACT}`);
  }
  return declaration.members.map((member) => {
    if (member.name !== undefined && ts.isIdentifier(member.name)) return member.name.text;
    throw new BuildError("build-failed", `llama-native: every member of ${INTERFACE} must have a plain name`);
  });
}
