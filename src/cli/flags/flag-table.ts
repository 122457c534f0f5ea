import type { Command } from "commander";
import { Option } from "commander";

import { UsageError } from "../cli-error.js";
import { readTextFile } from "../text-file.js";

/** How one option of the library is written on the command line. */
export interface Flag {
  /** What `--help` says. */
  readonly help: string;
  /** Placeholder of the value, `<tokens>`, or `[count]` where it may be left out; a flag without one is a switch. */
  readonly value?: string;
  /** The flag's name where it is not the option's own in kebab case. A switch named `no-…` turns off. */
  readonly name?: string;
  /** Makes the option's value of the text. What it cannot read it returns as it is, for the library's check to refuse. */
  readonly parse?: (text: string) => unknown;
  /** The same for a flag that may be given several times, of all its texts. */
  readonly parseAll?: (texts: readonly string[]) => unknown;
  /** Whether there is a second flag, `…-file`, that names a file with the text; the newline with which it ends is no part of that. */
  readonly orFile?: true;
}

/** The flags of an option that is an object: each is named after the option and its own name. */
export interface FlagGroup {
  readonly group: Readonly<Record<string, Flag>>;
  /** The one of them that turns the option on, without which the others would do so unasked. */
  readonly needs: string;
}

/** Null for an option that means nothing on a command line, or that the command gives in another way. */
export type FlagTable = Readonly<Record<string, Flag | FlagGroup | null>>;

/** Use as `satisfies FlagsFor<Options>`: an option of the library without its flag, and the reverse, do not compile. */
export type FlagsFor<Options> = { readonly [Name in keyof Required<Options>]: Flag | FlagGroup | null };

interface PlacedFlag extends Flag {
  /** The option's name in the library, e.g. `dry.base`. */
  readonly path: string;
  /** The flag without which this one means nothing. */
  readonly needs?: PlacedFlag;
}

/** Adds the flags of a table under a heading of `--help`. */
export function addFlags(command: Command, heading: string, table: FlagTable): void {
  for (const flag of flagsOf(table)) {
    command.addOption(toOption(flag).helpGroup(heading));
    if (flag.orFile === true) command.addOption(toFileOption(flag).helpGroup(heading));
  }
}

/** The options that were given, under the library's names. Their values are still to be checked by the library. */
export function readFlags(command: Command, table: FlagTable): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const flag of flagsOf(table)) {
    const value = valueOf(flag, command);
    if (value === undefined) continue;
    const { needs } = flag;
    if (needs !== undefined && valueOf(needs, command) === undefined)
      throw new UsageError(`--${nameOf(flag)} needs --${nameOf(needs)}, which turns it on`);
    const [name = "", inner] = flag.path.split(".");
    options[name] = inner === undefined ? value : { ...(options[name] as object | undefined), [inner]: value };
  }
  return options;
}

/**
 * The flag of an option that one of the library's messages names: `--dry-base` for `dry.base`. A message may name a part of
 * an option, as `stop[1]`; `option` is how much of the name is the flag's.
 */
export function flagOfOption(name: string, tables: readonly FlagTable[]): { flag: string; option: string } | undefined {
  const flags = tables.flatMap(flagsOf);
  for (let option = name; option !== ""; option = option.replace(/(^|[.[])[^.[]*$/, "")) {
    const found = flags.find(({ path }) => path === option);
    if (found !== undefined) return { flag: `--${nameOf(found)}`, option };
  }
  return undefined;
}

function flagsOf(table: FlagTable): PlacedFlag[] {
  return Object.entries(table).flatMap(([name, entry]): PlacedFlag[] => {
    if (entry === null) return [];
    if (!("group" in entry)) return [{ ...entry, path: name }];
    return flagsOfGroup(name, entry);
  });
}

function flagsOfGroup(name: string, { group, needs: main }: FlagGroup): PlacedFlag[] {
  const place = ([inner, flag]: [string, Flag]): PlacedFlag => ({ ...flag, path: `${name}.${inner}` });
  const found = Object.entries(group).find(([inner]) => inner === main);
  if (found === undefined) throw new Error(`There is no flag ${main} of ${name}`);
  const needs = place(found);
  return Object.entries(group).map((entry) => (entry[0] === main ? needs : { ...place(entry), needs }));
}

function valueOf(flag: PlacedFlag, command: Command): unknown {
  const file = flag.orFile === true ? given(command, toFileOption(flag)) : undefined;
  const value =
    file === undefined
      ? given(command, toOption(flag))
      : parsed(flag, readTextFile(file as string).replace(/\r?\n$/, ""));
  return value === undefined || flag.parseAll === undefined ? value : flag.parseAll(value as string[]);
}

function parsed({ parse }: Flag, text: string): unknown {
  return parse === undefined ? text : parse(text);
}

function given(command: Command, option: Option): unknown {
  const attribute = option.attributeName();
  return command.getOptionValueSource(attribute) === "cli" ? command.getOptionValue(attribute) : undefined;
}

function nameOf({ name, path }: PlacedFlag): string {
  return name ?? path.replace(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function toOption(flag: PlacedFlag): Option {
  const { help, value, parse, parseAll } = flag;
  const option = new Option(`--${nameOf(flag)}${value === undefined ? "" : ` ${value}`}`, help);
  if (parseAll !== undefined) return option.argParser((text, earlier?: string[]) => [...(earlier ?? []), text]);
  return parse === undefined ? option : option.argParser((text) => parse(text));
}

function toFileOption(flag: PlacedFlag): Option {
  const option = new Option(`--${nameOf(flag)}-file <path>`, `file with the text of --${nameOf(flag)}`);
  return option.conflicts(toOption(flag).attributeName());
}
