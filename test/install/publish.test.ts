import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { create } from "tar";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { publishTarballs } from "../../scripts/release/publish-tarballs.mjs";

interface Call {
  args: string[];
  token: string[];
}

let root: string;
let said: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llama-native-publish-"));
  said = [];
});
afterEach(() => rmSync(root, { recursive: true }));

/** Stands for npm: writes down how it is called, and ends as the script says. */
function addNpm(script: string): void {
  const program = `#!${process.execPath}
const args = process.argv.slice(2);
const token = Object.entries(process.env).find(([name]) => name.startsWith("npm_config_//")) ?? [];
require("node:fs").appendFileSync(${JSON.stringify(join(root, "calls"))}, JSON.stringify({ args, token }) + "\\n");
const fail = (words) => { console.error("npm error " + words); process.exit(1); };
if (args[0] === "config") console.log("https://packages.test/npm");
else { ${script} }
`;
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin", "npm"), program, { mode: 0o755 });
}

async function tarball(name: string, more: object = {}): Promise<string> {
  const folder = join(root, name);
  mkdirSync(join(folder, "package"), { recursive: true });
  writeFileSync(join(folder, "package", "package.json"), JSON.stringify({ name, version: "1.2.3", ...more }));
  const file = join(root, `${name}.tgz`);
  await create({ file, cwd: folder, gzip: true }, ["package"]);
  return file;
}

async function publish(tarballs: string[], token = "secret", tag?: string): Promise<Call[]> {
  const env = {
    PATH: join(root, "bin"),
    NODE_AUTH_TOKEN: token,
    ...(tag === undefined ? {} : { GITHUB_REF_NAME: tag }),
  };
  await publishTarballs(tarballs, { env, say: (line) => said.push(line) });
  return calls();
}

const calls = (): Call[] =>
  readFileSync(join(root, "calls"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Call);
const published = (all: Call[]): string[][] => all.map(({ args }) => args).filter(([command]) => command === "publish");

describe.runIf(process.platform !== "win32")("a release", () => {
  it("is published in its order, with the token for the registry that npm has", async () => {
    addNpm(`if (args[0] === "view") fail("code E404")`);
    const files = [await tarball("llama-native-a"), await tarball("llama-native")];
    const all = await publish(files);
    expect(published(all)).toEqual(files.map((file) => ["publish", "--access", "public", file]));
    const { token } = all.at(-1)!;
    expect(token).toEqual(["npm_config_//packages.test/npm/:_authToken", "secret"]);
    expect(said).toEqual(["llama-native-a@1.2.3 is published", "llama-native@1.2.3 is published"]);
  });

  it("is gone on with after one that broke off", async () => {
    addNpm(`if (args[1] === "llama-native-a@1.2.3") console.log('"1.2.3"')`);
    const [first, second] = [await tarball("llama-native-a"), await tarball("llama-native-b")];
    expect(published(await publish([first, second]))).toEqual([["publish", "--access", "public", second]]);
    expect(said[0]).toBe("llama-native-a@1.2.3 was published before");
  });

  it("proves where it comes from once the package names its repository", async () => {
    addNpm(`if (args[0] === "view") fail("code E404")`);
    const file = await tarball("llama-native", { repository: { type: "git", url: "git+https://code.test/x.git" } });
    expect(published(await publish([file]))).toEqual([["publish", "--access", "public", "--provenance", file]]);
  });

  it.each([
    ["npm cannot ask", `if (args[0] === "view") fail("network ENOTFOUND")`, /does not tell whether .*\n.*ENOTFOUND/],
    ["npm refuses it", `if (args[0] === "publish") fail("code E403")`, /npm publish .* failed:\n.*E403/],
  ])("ends where %s, with npm's words", async (_what, script, message) => {
    addNpm(script);
    await expect(publish([await tarball("llama-native-a"), await tarball("llama-native")])).rejects.toThrow(message);
    expect(said).toEqual([]);
    expect(published(calls()).length).toBeLessThan(2);
  });

  it("is refused where its tag is another version's, before anything is published", async () => {
    addNpm(`if (args[0] === "view") fail("code E404")`);
    const files = [await tarball("llama-native-a"), await tarball("llama-native", { version: "1.2.4" })];
    await expect(publish(files, "secret", "v1.2.3")).rejects.toThrow(
      "Expected the tag v1.2.4 for llama-native@1.2.4 but this is v1.2.3",
    );
    expect(published(calls())).toEqual([]);
    expect(published(await publish(files.slice(0, 1), "secret", "v1.2.3"))).toHaveLength(1);
  });

  it.each(["main", "1.2.4"])("has no tag on %s", async (name) => {
    addNpm(`if (args[0] === "view") fail("code E404")`);
    expect(published(await publish([await tarball("llama-native")], "secret", name))).toHaveLength(1);
  });

  it("needs a token", async () => {
    addNpm("");
    await expect(publish([], "")).rejects.toThrow("Expected the registry's token in NODE_AUTH_TOKEN");
  });
});
