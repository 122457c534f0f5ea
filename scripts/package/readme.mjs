// What README.md tells a new user to run, taken from its text, so that the proof runs what is written there.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";

/**
 * @typedef {object} Readme
 * @property {string} example the first program
 * @property {string} command the line that chats, without the install before it
 * @property {string} answer what it prints
 *
 * @param {string} model path of a model in place of those that would be downloaded
 * @returns {Readme}
 */
export function readReadme(model) {
  const text = readFileSync(join(packageDir, "README.md"), "utf8");
  const example = find(text, /```js\n(.*?)```/s, "a program");
  const command = find(text, /(npx llama-native chat smollm2 .* -p ".*")/, "a command that chats with smollm2");
  const answer = find(text.slice(text.indexOf(command)), /\n {4}(\S.*)\n/, "what the command prints");
  const name = find(example, /loadModel\("(.*?)"\)/, "the name of a model");
  return {
    example: example.replace(JSON.stringify(name), JSON.stringify(model)),
    command: command.replace("chat smollm2", `chat "${model}"`),
    answer,
  };
}

/** @param {string} text @param {RegExp} pattern @param {string} what */
function find(text, pattern, what) {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`Expected README.md to hold ${what}, as ${pattern}`);
  return found;
}
