import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PACKED_SOURCES } from "../../scripts/lib/packed-sources.mjs";
import { PAGE, renderPage, SECTIONS, startOf } from "../../scripts/package/page.mjs";
import { packageDir } from "./sandbox.js";

interface PackReport {
  files: { path: string }[];
}

function packedFiles(): string[] {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: packageDir,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [report] = JSON.parse(output) as PackReport[];
  return report!.files.map(({ path }) => path);
}

describe("the published package", () => {
  const files = packedFiles();

  it.each([
    "LICENSE",
    "THIRD_PARTY_NOTICES",
    "native/CMakeLists.txt",
    "native/package.json",
    "scripts/build.mjs",
    "scripts/install.mjs",
    "scripts/lib/build-addon.mjs",
  ])("carries %s", (path) => {
    expect(files).toContain(path);
  });

  it("carries llama.cpp's sources, which are put there before it is packed", () => {
    const { files: listed } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { files: string[] };
    expect(listed).toContain(PACKED_SOURCES);
    expect(readFileSync(join(packageDir, ".gitignore"), "utf8")).toContain(`/${PACKED_SOURCES}`);
  });

  it("carries what its README links to", () => {
    const readme = readFileSync(join(packageDir, "README.md"), "utf8");
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path);
    expect(links).toContain("docs/server.md");
    expect(links.filter((link) => !files.some((file) => file === link || file.startsWith(`${link}/`)))).toEqual([]);
  });

  it("carries no model, no build and no test", () => {
    const foreign = files.filter((path) => /\.(gguf|node|whl|tgz|log)$|^native\/dist\/|^test\//.test(path));
    expect(foreign).toEqual([]);
  });

  it("carries nothing by which a build would take it for a checkout", () => {
    expect(files.filter((path) => /^(?:src|scripts\/bundle)\//.test(path))).toEqual([]);
  });

  it("needs no other package but the headers that the addon is compiled with", () => {
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as Record<string, object>;
    expect(Object.keys(manifest["dependencies"] ?? {})).toEqual(["node-addon-api", "node-api-headers"]);
  });

  it("asks for no module by require(), which would be lost where it is bundled once more", () => {
    expect(readFileSync(join(packageDir, "dist", "chunks", "rolldown-runtime.js"), "utf8")).not.toContain(
      "createRequire",
    );
  });

  it("tells the licences of the packages that are inside it", () => {
    const notices = readFileSync(join(packageDir, "dist", "THIRD_PARTY_NOTICES"), "utf8");
    const titles = [...notices.matchAll(/^=+\n(.+) \d+\.\d+\.\d+ \((.+)\)\n=+\n\n\S/gm)].map(([, name]) => name);
    // Of the library, of the command, and of a build, with what those need.
    for (const name of ["zod", "hono", "undici", "commander", "cmake-js", "tar", "minipass", "pino", "sonic-boom"]) {
      expect(titles).toContain(name);
    }
  });

  it("carries nothing for which tools of Electron would rebuild it, in place of the addon that is there", () => {
    // @electron/rebuild, which packagers call, rebuilds packages that have this file.
    expect(files.filter((path) => path.endsWith("binding.gyp"))).toEqual([]);
    const own = files.filter((path) => !path.includes("/"));
    expect(own.filter((path) => /^(?:prebuilds|CMakeLists\.txt|wscript)/.test(path))).toEqual([]);
  });

  it("builds once: npm's own node-gyp step is off", () => {
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as {
      gypfile: boolean;
      scripts: Record<string, string>;
    };
    expect(manifest.gypfile).toBe(false);
    // `npm rebuild` forgets gypfile, and other package managers do not know it: with binding.gyp and no such script they
    // would run node-gyp, which downloads Node's headers.
    expect(manifest.scripts["install"]).toBe("node scripts/install.mjs");
  });

  // npx links and marks the commands of a folder once, and takes for granted later that they are.
  it.runIf(process.platform !== "win32")("has a command that may be executed as soon as it is compiled", () => {
    expect(statSync(join(packageDir, "dist", "cli", "main.js")).mode & 0o111).toBe(0o111);
  });

  it("carries the notices of what is compiled into the addon", () => {
    const notices = readFileSync(join(packageDir, "THIRD_PARTY_NOTICES"), "utf8");
    for (const holder of [
      "The ggml authors",
      "Niels Lohmann",
      "Mozilla Foundation",
      "Node.js API collaborators",
      "mingw-w64",
      "Fedor Indutny",
    ]) {
      expect(notices).toContain(holder);
    }
  });
});

describe("docs/package.md", () => {
  it.each(SECTIONS)("has a place for the figures of $name", (section) => {
    const page = readFileSync(PAGE, "utf8");
    expect(page).toContain(startOf(section));
    expect(page).toContain(`<!-- end of ${section.name} -->`);
  });

  it("is what its figures make of it", async () => {
    const page = readFileSync(PAGE, "utf8");
    expect(await renderPage(page)).toBe(page);
  });
});
