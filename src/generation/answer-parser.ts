/** What an answer consists of, in order: what is thought, what is said, and calls of tools, each from its name to its end. */
export type AnswerPart =
  | { readonly type: "thinking"; readonly text: string }
  /** `at`: where in all of the answer's text it begins, as JavaScript counts. */
  | { readonly type: "text"; text: string; readonly at: number }
  | { readonly type: "call"; readonly name: string }
  /** A piece of the arguments' JSON. */
  | { readonly type: "arguments"; readonly text: string }
  /** `isWhole`: whether its arguments are JSON of an object. */
  | { readonly type: "callEnd"; readonly isWhole: boolean };

/** Takes an answer's text apart as it comes. */
export interface AnswerParser {
  readonly hasTools: boolean;
  readonly hasThinking: boolean;
  /** How much of all text so far is a thought with its marks, as JavaScript counts. */
  readonly thoughtLength: number;
  /** Called before anything is pushed, where the prompt ends with the beginning of a thought. */
  opened(): void;
  push(text: string): AnswerPart[];
  /** What is left; `isCut` tells whether the text ends before its time, and whether the calls do. */
  end(isCut: boolean): { parts: AnswerPart[]; isCut: boolean };
  /** The arguments of a call as an object, as far as they are whole. */
  toArguments(json: string): Record<string, unknown>;
}
