/** A part of a JSON object or array. */
interface JsonPart {
  /** Of an object's member. */
  readonly key: string | undefined;
  readonly text: string;
  /** Whether nothing of it can be missing. */
  readonly isWhole: boolean;
}

/** Strings with their end as a group, punctuation, and all else. */
const tokens = /"(?:[^"\\]|\\.)*(?:(")|\\?$)|[{}[\]:,]|[^\s{}[\]:,"]+/gs;

/** The members or elements of a JSON object or array of which the end may be missing; of other texts none. */
function partsOf(json: string): JsonPart[] {
  const parts: JsonPart[] = [];
  let depth = 0;
  let key: string | undefined;
  let start: number | undefined;
  const close = (end: number, isDelimited: boolean): void => {
    if (start !== undefined) {
      const text = json.slice(start, end).trimEnd();
      parts.push({ key, text, isWhole: isDelimited || endsItself(text) });
    }
    [key, start] = [undefined, undefined];
  };
  for (const { 0: token, index } of json.matchAll(tokens)) {
    const closes = token === "}" || token === "]";
    if (depth === 1 && (closes || token === ",")) close(index, true);
    else if (depth === 1 && token === ":") [key, start] = [keyOf(json.slice(start, index)), undefined];
    else if (depth === 1) start ??= index;
    if (token === "{" || token === "[") depth++;
    if (closes) depth--;
    if (depth === 0) return parts;
  }
  close(json.length, false);
  return parts;
}

/** What is there as a whole of an object's JSON. */
function wholeMembers(json: string): Record<string, unknown> {
  const members = partsOf(json).filter(({ key, isWhole }) => key !== undefined && isWhole);
  return Object.fromEntries(members.map(({ key = "", text }): [string, unknown] => [key, parseJson(text)]));
}

/** An object's JSON, or of the beginning of one the members that are whole; undefined for the JSON of anything else. */
export function argumentsOf(json: string): Record<string, unknown> | undefined {
  const value = parseJson(json);
  if (value === undefined) return json.trimStart().startsWith("{") ? wholeMembers(json) : undefined;
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Where numbers and words may go on, these show their end. */
function endsItself(text: string): boolean {
  return /^["{[]/.test(text) && parseJson(text) !== undefined;
}

function keyOf(text: string): string | undefined {
  const key = parseJson(text);
  return typeof key === "string" ? key : undefined;
}
