import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, describe, expect, it } from "vitest";

import { cacheDir, nativeDir } from "../../scripts/lib/paths.mjs";
import { resolveSources } from "../../scripts/lib/sources.mjs";

const folder = mkdtempSync(join(tmpdir(), "llama-native-windows-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of Windows' own header what is used of it, with the macros that it has unless it is told. */
const WINDOWS_H = `
#ifndef NOMINMAX
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
typedef void * HMODULE;
typedef const wchar_t * LPCWSTR;
typedef unsigned long DWORD;
#define GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT 2
#define GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS 4
#define LOAD_WITH_ALTERED_SEARCH_PATH 8
extern "C" {
int GetModuleHandleExW(DWORD, LPCWSTR, HMODULE *);
DWORD GetModuleFileNameW(HMODULE, wchar_t *, DWORD);
HMODULE LoadLibraryExW(LPCWSTR, void *, DWORD);
int FreeLibrary(HMODULE);
void (*GetProcAddress(HMODULE, const char *))();
DWORD GetLastError(void);
}
`;

/** Lines that name a function of GCC's and Clang's where no condition asks for such a compiler. */
function unguardedBuiltins(text: string): string[] {
  const conditions: string[] = [];
  return text.split("\n").filter((line) => {
    const [, directive, condition = ""] = /^\s*#\s*(if\w*|el\w+|endif)\b(.*)/.exec(line) ?? [];
    if (directive === undefined) return line.includes("__builtin_") && !conditions.some((each) => isGuard(each));
    if (directive === "endif") conditions.pop();
    else if (directive.startsWith("if")) conditions.push(directive + condition);
    else conditions.push(`not ${conditions.pop() ?? ""} ${condition}`);
    return false;
  });
}

function isGuard(condition: string): boolean {
  return /^if.*__GNUC__/.test(condition) || /^not if.*_MSC_VER/.test(condition);
}

// Nothing here is compiled for Windows itself, for which there is no compiler on the machines that run the tests.
describe.runIf(process.platform === "linux")("native code for Windows", () => {
  it("keeps its own words where the system's header has macros of the same names", async () => {
    writeFileSync(join(folder, "windows.h"), WINDOWS_H);
    const llamaDir = await resolveSources({ cache: cacheDir(), env: process.env, log: () => undefined });
    const headers = [folder, nativeDir, join(llamaDir, "ggml", "include")].map((path) => `-I${path}`);
    const kernels = join(nativeDir, "core", "kernels.cpp");
    const options = ["-std=c++17", "-fsyntax-only", "-D_WIN32", "-DLLAMA_NATIVE_VARIANTS", ...headers, kernels];
    await promisify(execFile)(process.env["CXX"] ?? "c++", options);
  }, 240_000);

  it("calls no function that other systems have for aligned memory", async () => {
    const header = join(nativeDir, "cmake", "huge_pages.h");
    // Without what a system adds to C, the C library here does not declare it either.
    const options = ["-std=c11", "-fsyntax-only", "-D_WIN32", "-U__linux__", "-Werror=implicit-function-declaration"];
    await promisify(execFile)(process.env["CC"] ?? "cc", [...options, "-xc", header]);
  }, 240_000);

  it("has functions of GCC and Clang for these alone", () => {
    const headers = readdirSync(join(nativeDir, "cmake")).filter((name) => name.endsWith(".h"));
    const found = headers.flatMap((name) => unguardedBuiltins(readFileSync(join(nativeDir, "cmake", name), "utf8")));
    expect(found).toEqual([]);
    expect(unguardedBuiltins("#ifdef _MSC_VER\nx\n#else\n__builtin_a\n#endif\n__builtin_b")).toEqual(["__builtin_b"]);
  });
});
