/** A trie of names: where one ends, and how they go on. */
interface Node {
  isEnd: boolean;
  readonly next: Map<string, Node>;
}

const plain = String.raw`"\\\x7F\x00-\x1F`;

/**
 * The rule of a JSON string that is none of these names. It has no escapes where there are names, so that it cannot be one of them
 * in another spelling.
 */
export function otherKey(names: readonly string[], anyString: string): string {
  // A name that JSON writes with escapes no other key can be.
  const spelt = names.filter((name) => JSON.stringify(name) === `"${name}"`);
  if (names.length === 0) return anyString;
  const root: Node = { isEnd: false, next: new Map() };
  for (const name of spelt) insert(root, Array.from(name));
  return String.raw`"\"" ${unlike(root)} "\""`;
}

function insert(root: Node, letters: readonly string[]): void {
  let node = root;
  for (const letter of letters) {
    const next = node.next.get(letter) ?? { isEnd: false, next: new Map<string, Node>() };
    node.next.set(letter, next);
    node = next;
  }
  node.isEnd = true;
}

/** What may follow behind the letters of a node. */
function unlike({ isEnd, next }: Node): string {
  const others = `[^${plain}${[...next.keys()].map(escaped).join("")}] [^${plain}]*`;
  const same = [...next].map(([letter, node]) => `[${escaped(letter)}] ${unlike(node)}`);
  return `(${[...(isEnd ? [] : [`""`]), others, ...same].join(" | ")})`;
}

function escaped(letter: string): string {
  return `\\U${(letter.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`;
}
