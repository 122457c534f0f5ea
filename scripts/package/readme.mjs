// What README.md tells a new user to run, taken from its text, so that the proof runs what is written there.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageDir } from "../lib/paths.mjs";
import { runLine } from "./installs.mjs";

/**
 * @typedef {object} Readme
 * @property {string} example the first program
 * @property {string} command the line that chats, without the install before it
 * @property {string} answer what it prints
 *
 * @typedef {{ answer: string, example: string }} Said what command and program print
 */

/**
 * Runs them in a project that has installed the package.
 * @param {string} model path of a model in place of those that would be downloaded
 * @param {import("./installs.mjs").Place} place
 * @returns {Promise<Said>}
 */
export async function runReadme(model, place) {
  const { example, command, answer } = readReadme(model);
  const said = await runLine(command, place);
  if (said.trim() !== answer)
    throw new Error(`Expected the README's command to print "${answer}", but it printed "${said}"`);
  writeFileSync(join(place.folder, "example.mjs"), example);
  const text = await runLine("node example.mjs", place);
  if (text.trim() === "") throw new Error("Expected the README's example to print an answer, but it printed nothing");
  return { answer: said.trim(), example: text.trim() };
}

/** @param {string} model @returns {Readme} */
function readReadme(model) {
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
