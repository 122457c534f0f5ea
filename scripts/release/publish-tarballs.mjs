// Publishes tarballs to the registry that npm is configured with, one after the other. What is published already is left out, so
// that a release which broke off in the middle can be run again.

import { list } from "tar";
import { BuildError } from "../lib/errors.mjs";
import { run } from "../lib/run.mjs";

/**
 * @param {string[]} tarballs in their order
 * @param {{ env: NodeJS.ProcessEnv, say: (line: string) => void }} options the token is in NODE_AUTH_TOKEN
 */
export async function publishTarballs(tarballs, { env, say }) {
  const withToken = { ...env, ...(await tokenSetting(env)) };
  const packages = [];
  for (const tarball of tarballs) packages.push({ tarball, ...(await manifestOf(tarball)) });
  for (const each of packages) requireTag(each, env);
  for (const { tarball, name, version, repository } of packages) {
    const id = `${name}@${version}`;
    if (await isPublished(id, withToken)) {
      say(`${id} was published before`);
      continue;
    }
    // Where a package comes from can be proved of one that names its repository alone.
    const proof = repository === undefined ? [] : ["--provenance"];
    await npm(["publish", "--access", "public", ...proof, tarball], withToken);
    say(`${id} is published`);
  }
}

/**
 * A tag that is not the version's would publish what is there already, or what nobody meant to release.
 * @param {{ name: string, version: string }} manifest
 * @param {NodeJS.ProcessEnv} env
 */
function requireTag({ name, version }, { GITHUB_REF_NAME: tag = "" }) {
  if (!tag.startsWith("v") || tag === `v${version}`) return;
  const message = `llama-native: Expected the tag v${version} for ${name}@${version} but this is ${tag}`;
  throw new BuildError("build-failed", message);
}

/**
 * npm takes a token for the registry that it is for, whichever that is. The setting's name is none that a shell could set.
 * @param {NodeJS.ProcessEnv} env
 */
async function tokenSetting(env) {
  const token = env.NODE_AUTH_TOKEN;
  if (!token) throw new BuildError("build-failed", "llama-native: Expected the registry's token in NODE_AUTH_TOKEN");
  const { host, pathname } = new URL((await npm(["config", "get", "registry"], env)).trim());
  return { [`npm_config_//${host}${pathname.replace(/\/?$/, "/")}:_authToken`]: token };
}

/** @param {string} tarball @returns {Promise<{ name: string, version: string, repository?: unknown }>} */
async function manifestOf(tarball) {
  /** @type {Buffer[]} */
  const parts = [];
  await list({
    file: tarball,
    filter: (path) => path === "package/package.json",
    onReadEntry: (entry) => void entry.on("data", (part) => parts.push(part)),
  });
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

/** @param {string} id @param {NodeJS.ProcessEnv} env */
async function isPublished(id, env) {
  const { code, stdout, output } = await runNpm(["view", id, "version", "--json"], env);
  if (code === 0) return stdout.trim() !== "";
  // Any other failure is that of the question.
  if (/\bE404\b/.test(output)) return false;
  throw new BuildError("build-failed", `llama-native: npm does not tell whether ${id} is published:\n${output}`);
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env */
async function npm(args, env) {
  const { code, stdout, output } = await runNpm(args, env);
  if (code === 0) return stdout;
  throw new BuildError("build-failed", `llama-native: npm ${args.join(" ")} failed:\n${output}`);
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env */
async function runNpm(args, env) {
  return await run(process.platform === "win32" ? "npm.cmd" : "npm", args, { env });
}
