// Fails when the functions the built addon exports and the members of its TypeScript contract differ.

import { join } from "node:path";
import { checkContract } from "./lib/contract.mjs";
import { BuildError } from "./lib/errors.mjs";
import { distDir } from "./lib/paths.mjs";

try {
  const count = await checkContract(join(distDir(), "cpu", "llama-native.node"), "cpu");
  console.log(`The addon exports the ${count} functions of its contract.`);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
