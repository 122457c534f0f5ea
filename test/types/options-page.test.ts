// docs/options.md: every option of the library, as the types that it exports tell them.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { format } from "prettier";
import ts from "typescript";
import { expect, test } from "vitest";

import { splitModes } from "../../src/model/devices.js";
import type { KvType } from "../../src/model/ggml-types.js";
import { gpuChoices } from "../../src/native/backends.js";
import { packageDir } from "../support/compiled.js";

const path = join(packageDir, "docs", "options.md");

/** The page's sections, by the files that they are from. */
const SECTIONS: { title: string; file: string; of: string[] }[] = [
  {
    title: "`loadModel(source, options)`",
    file: "model/load-options.ts",
    of: ["LoadModelOptions", "PlannedContextOptions"],
  },
  { title: "`pullModel(source, options)`", file: "pull-model.ts", of: ["PullModelOptions"] },
  { title: "`model.createContext(options)`", file: "context/context-options.ts", of: ["ContextOptions"] },
  { title: "", file: "llama-model.ts", of: ["ModelContextOptions"] },
  {
    title: "`context.generate(options)`, and `chat.send(message, options)`",
    file: "context/request-options.ts",
    of: ["RequestOptions"],
  },
  { title: "", file: "chat/prompt-source.ts", of: ["TextPrompt", "MessagesPrompt", "TokensPrompt", "TemplateOptions"] },
  {
    title: "Sampling",
    file: "sampling/sampling-options.ts",
    of: [
      ...["SamplingOptions", "SamplerName", "LogitBias"],
      ...["DynamicTemperatureOptions", "DryOptions", "XtcOptions", "MirostatOptions"],
    ],
  },
  { title: "`model.createChat(options)`", file: "chat/session-options.ts", of: ["ChatSessionOptions"] },
  { title: "", file: "llama-model.ts", of: ["ModelChatOptions"] },
  { title: "`model.embed(input, options)`", file: "model/embedder.ts", of: ["EmbedOptions"] },
  {
    title: "`model.tokenizer.encode(text, options)` and `.decode(tokens, options)`",
    file: "model/tokenizer.ts",
    of: ["EncodeOptions", "DecodeOptions"],
  },
  {
    title: "`model.chatTemplate.render(messages, options)` and `.apply(messages, options)`",
    file: "chat/chat-template.ts",
    of: ["RenderOptions", "ApplyOptions"],
  },
  {
    title: "`sequence.evaluate(tokens, options)`",
    file: "context/llama-sequence.ts",
    of: ["EvaluateOptions"],
  },
  {
    title: "`createServer(model, options)` of `llama-native/server`",
    file: "server/server-options.ts",
    of: ["ServerOptions", "HandlerOptions"],
  },
  { title: "Errors", file: "errors.ts", of: ["LlamaErrorCode"] },
];

const HEAD = `# Options

All are optional unless they are said to be needed. A wrong one throws, or rejects with, \`INVALID_OPTION\`, which says what was expected and what
came. Sizes are tokens unless a name ends in \`Bytes\`, times are milliseconds.
`;

const listed = (values: readonly string[]): string => values.map((value) => `\`"${value}"\``).join(", ");

const VALUES = `## Types with few values

- \`KvType\`: ${listed(Object.keys({ f32: 0, f16: 0, bf16: 0, q8_0: 0, q5_1: 0, q5_0: 0, q4_1: 0, q4_0: 0, iq4_nl: 0 } satisfies Record<KvType, 0>))}
- \`GpuChoice\`: ${listed(gpuChoices)}
- \`SplitMode\`: ${listed(splitModes)}
`;

test("docs/options.md has every option, as the types have them (vitest -u writes it)", async () => {
  const text = SECTIONS.map(describeSection).join("\n");
  const page = await format(`${HEAD}\n${text}\n${VALUES}`, { parser: "markdown", printWidth: 120 });
  await expect(page).toMatchFileSnapshot(path);
});

test("docs/options.md leaves out no options that are exported", () => {
  const faces = ["index.ts", "server/index.ts"].map((file) => readFileSync(join(packageDir, "src", file), "utf8"));
  const exported = new Set(faces.join("").match(/\b\w+Options\b/g));
  const described = new Set(SECTIONS.flatMap(({ of }) => of));
  // What is made of others.
  for (const name of ["GenerateOptions", "PromptOptions", "SendOptions"]) described.add(name);
  expect([...exported].filter((name) => !described.has(name))).toEqual([]);
});

function describeSection({ title, file, of }: (typeof SECTIONS)[number]): string {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(packageDir, "src", file), "utf8"),
    ts.ScriptTarget.Latest,
    true,
  );
  const parts = of.map((name) => {
    const found = source.statements.find(
      (node): node is ts.InterfaceDeclaration | ts.TypeAliasDeclaration =>
        (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) && node.name.text === name,
    );
    if (found === undefined) throw new Error(`${file} has no ${name}`);
    return `### ${name}\n\n${docOf(found)}\n\n${ts.isInterfaceDeclaration(found) ? describeInterface(found) : describeAlias(found)}\n`;
  });
  return `${title === "" ? "" : `## ${title}\n\n`}${parts.join("\n")}`;
}

function describeInterface(node: ts.InterfaceDeclaration): string {
  const bases = node.heritageClauses?.flatMap(({ types }) => types.map((type) => type.getText())) ?? [];
  const rows = node.members.filter(ts.isPropertySignature).map((member) => {
    const type = (member.type?.getText() ?? "").replace(/\s+/g, " ").replace(/ \| undefined$/, "");
    const bare = type.replace(/^\((.*)\)$/, "$1");
    const needed = member.questionToken === undefined ? "Needed. " : "";
    return `| \`${member.name.getText()}\` | \`${bare.replaceAll("|", "\\|")}\` | ${needed}${cell(docOf(member))} |`;
  });
  const named = bases.filter((base) => !base.startsWith("Omit<")).map((base) => `\`${base}\``);
  const more = named.length === 0 ? "" : `And what ${named.join(", ")} has.\n\n`;
  return `${more}| option | type | |\n|---|---|---|\n${rows.join("\n")}`;
}

/** Each member of a union with what is said of it, or the type as it is. */
function describeAlias({ type }: ts.TypeAliasDeclaration): string {
  const plain = `\`${type.getText().replace(/\s+/g, " ")}\``;
  if (!ts.isUnionTypeNode(type)) return plain;
  const rows = type.types.map((member) => ({ name: member.getText().replaceAll('"', ""), doc: commentBefore(member) }));
  if (rows.some(({ doc }) => doc === "")) return plain;
  return `| | |\n|---|---|\n${rows.map(({ name, doc }) => `| \`${name}\` | ${cell(doc)} |`).join("\n")}`;
}

/** Comments before the bar of a union are none of its member's to the compiler. */
function commentBefore(node: ts.Node): string {
  const text = node.getSourceFile().text;
  const before = text
    .slice(0, node.getStart())
    .replace(/\|\s*$/, "")
    .trimEnd();
  return before.endsWith("*/") ? plainText(before.slice(before.lastIndexOf("/**"))) : "";
}

function docOf(node: ts.Node): string {
  const doc = ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc);
  return doc === undefined ? "" : plainText(doc.getText());
}

function plainText(comment: string): string {
  return comment
    .replace(/^\/\*\*|\*\/$/g, "")
    .replace(/^\s*\* ?/gm, "")
    .replace(/\{@link (\w+)\}/g, "`$1`")
    .trim();
}

function cell(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").replace(/(?<!\\)\|/g, "\\|");
}
