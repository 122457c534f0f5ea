import { blanks, literal } from "../../sampling/json-schema/grammar-rules.js";
import { jsonSchemaRules } from "../../sampling/json-schema/json-schema-grammar.js";
import type { ToolSyntax } from "./tool-syntax.js";

/** A tool that a grammar allows to be called. */
export interface CallableTool {
  readonly name: string;
  /** A JSON schema, or undefined for any object. */
  readonly parameters: Readonly<Record<string, unknown>> | undefined;
  /** Where the schema is in the request, for messages. */
  readonly path: string;
}

// Rules of a schema have two hyphens in a row before a number alone.
const calls = "the--calls";
const ws = "the--blanks";

/** A grammar that allows nothing but calls of these tools. Throws `INVALID_OPTION` for a schema that it cannot keep, by its path. */
export function toolGrammar(tools: readonly CallableTool[], syntax: ToolSyntax, parallel: boolean): string {
  const root = syntax.trigger === null ? calls : `${literal(syntax.trigger)} ${calls}`;
  return `root ::= ${root}\n${callRules(tools, syntax, parallel, ["arguments"])}`;
}

/** A grammar that allows any text, and calls of these tools behind it; of one that is JSON from its beginning, calls only. */
export function textOrToolGrammar(tools: readonly CallableTool[], syntax: ToolSyntax, parallel: boolean): string {
  const { trigger } = syntax;
  if (trigger !== null) return textUpTo(trigger) + callRules(tools, syntax, parallel, ["arguments"]);
  const blank = String.raw`[ \t\r\n]*`;
  const text = String.raw`[^{\[ \t\r\n] .* | "[" ${blank} ([^{ \t\r\n] .*)?`;
  return `root ::= ${blank} (${text} | ${calls})?\n${callRules(tools, syntax, parallel, ["arguments", "parameters"])}`;
}

/** `members`: what the arguments may be called, where they are a member of the call's object. */
function callRules(
  tools: readonly CallableTool[],
  syntax: ToolSyntax,
  parallel: boolean,
  members: readonly string[],
): string {
  const schemas = tools.map(({ parameters, path: name }, index) => ({
    rule: `the--arguments-${index}`,
    schema: parameters === undefined || Object.keys(parameters).length === 0 ? { type: "object" } : parameters,
    name,
  }));
  const alternatives = tools.flatMap(({ name }, index) => {
    const { rule = "" } = schemas[index] ?? {};
    const { beforeArguments } = syntax;
    if (beforeArguments !== null) return [`${literal(name)} ${beforeArguments} ${rule}`];
    return members.map((member) => {
      const called = `${literal('"name":')} ${ws} ${literal(JSON.stringify(name))} ","`;
      return `"{" ${ws} ${called} ${ws} ${literal(`"${member}":`)} ${ws} ${rule} ${ws} "}"`;
    });
  });
  return (
    `${calls} ::= ${syntax.calls(parallel)}\n` +
    `the--call ::= ${alternatives.join(" | ")}\n` +
    `${ws} ::= ${blanks}\n` +
    jsonSchemaRules(schemas)
  );
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
