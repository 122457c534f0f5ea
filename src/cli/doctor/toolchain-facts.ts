import { importScript } from "../package-facts.js";

interface Tool {
  readonly path: string;
  /** The line by which it names itself. */
  readonly version: string;
}

/** What the addon can be built with; `missing` has the command that installs what lacks. */
export type ToolchainFacts =
  | {
      readonly cmake: Tool;
      readonly compiler: Tool;
      readonly generator: string | null;
      readonly ccache: string | null;
    }
  | { readonly missing: readonly string[]; readonly message: string };

interface Lack {
  missing: string[];
  compiler: Tool | null;
}
type Detected = { toolchain: Extract<ToolchainFacts, { cmake: Tool }> } | Lack;

export async function findToolchain(): Promise<ToolchainFacts> {
  const [{ detectToolchain }, { missingToolsMessage }] = await Promise.all([
    importScript<{ detectToolchain: () => Detected }>("lib/toolchain.mjs"),
    importScript<{ missingToolsMessage: (lack: Lack) => string }>("lib/missing-tools.mjs"),
  ]);
  const found = detectToolchain();
  if ("missing" in found) return { missing: found.missing, message: missingToolsMessage(found) };
  const { cmake, compiler, generator, ccache } = found.toolchain;
  return { cmake, compiler, generator, ccache };
}
