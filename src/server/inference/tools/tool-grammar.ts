import { literal } from "../../../sampling/json-schema/grammar-rules.js";
import { jsonSchemaGrammar } from "../../../sampling/json-schema/json-schema-grammar.js";
import type { ToolDefinition } from "../request.js";
import type { ToolSyntax } from "./tool-syntax.js";

// Rules of a schema have two hyphens in a row before a number alone.
const calls = "the--calls";

/** Throws `INVALID_OPTION` where a tool's schema cannot be kept, by the path that it has in the request. */
export function checkToolSchema({ function: { parameters } }: ToolDefinition, path: string): void {
  if (parameters !== undefined) jsonSchemaGrammar(parameters, { name: path });
}

/** A grammar that allows nothing but calls of these tools. */
export function toolGrammar(tools: readonly ToolDefinition[], syntax: ToolSyntax, parallel: boolean): string {
  const root = syntax.trigger === null ? calls : `${literal(syntax.trigger)} ${calls}`;
  return `root ::= ${root}\n${callRules(tools, syntax, parallel, ["arguments"])}`;
}

/** A grammar that allows any text, and calls of these tools behind it; of one that is JSON from its beginning, calls only. */
export function textOrToolGrammar(tools: readonly ToolDefinition[], syntax: ToolSyntax, parallel: boolean): string {
  const { trigger } = syntax;
  if (trigger !== null) return textUpTo(trigger) + callRules(tools, syntax, parallel, ["arguments"]);
  const blank = String.raw`[ \t\r\n]*`;
  const text = String.raw`[^{\[ \t\r\n] .* | "[" ${blank} ([^{ \t\r\n] .*)?`;
  return `root ::= ${blank} (${text} | ${calls})?\n${callRules(tools, syntax, parallel, ["arguments", "parameters"])}`;
}

/** Models write the arguments in a member of one of these names. */
function callRules(
  tools: readonly ToolDefinition[],
  syntax: ToolSyntax,
  parallel: boolean,
  names: readonly string[],
): string {
  const schemas = tools.flatMap(({ function: { name, parameters } }) =>
    names.map((member) => ({
      type: "object",
      properties: { name: { const: name }, [member]: parameters ?? { type: "object" } },
      required: ["name", member],
    })),
  );
  // References within the parameters of a tool are relative to these.
  const schema = schemas.length === 1 ? schemas[0] : { anyOf: schemas };
  return `${calls} ::= ${syntax.calls(parallel)}\n${jsonSchemaGrammar(schema, { root: "call", name: "tools" })}`;
}

/** Any text in which what comes behind the trigger are calls: a rule for each number of its letters that a text may end with. */
function textUpTo(trigger: string): string {
  const letters = [...new Set(trigger)];
  const others = `[^${letters.map((letter) => letter.replace(/[[\]\\^-]/, "\\$&")).join("")}]`;
  const rule = (seen: number): string => (seen === 0 ? "root" : seen === trigger.length ? calls : `text--seen-${seen}`);
  const rules = Array.from(trigger, (_, seen) => {
    const steps = letters.map((letter) => {
      const text = trigger.slice(0, seen) + letter;
      let next = text.length;
      while (!text.endsWith(trigger.slice(0, next))) next--;
      return `${literal(letter)} ${rule(next)}`;
    });
    return `${rule(seen)} ::= (${others} root | ${steps.join(" | ")})?\n`;
  });
  return rules.join("");
}
