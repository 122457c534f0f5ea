import type { Gguf } from "./gguf.js";

/**
 * What loading must come to: `refused` with a typed error, `loads` and generates, or `either` (where it depends on what
 * llama.cpp makes of it). Nothing may end the process.
 */
export type Outcome = "refused" | "loads" | "either";

export interface Corruption {
  name: string;
  outcome: Outcome;
  make: (model: Gguf) => Buffer;
}

export function refused(name: string, make: Corruption["make"]): Corruption {
  return { name, outcome: "refused", make };
}

export function loads(name: string, make: Corruption["make"]): Corruption {
  return { name, outcome: "loads", make };
}

export function either(name: string, make: Corruption["make"]): Corruption {
  return { name, outcome: "either", make };
}
