/** A trie of names: where one ends, and how they go on. */
interface Node {
  isEnd: boolean;
  /** Names go on behind it that are too long to tell apart: no other key begins like them. */
  isCut: boolean;
  readonly next: Map<string, Node>;
}

const plain = String.raw`"\\\x7F\x00-\x1F`;
/** Of all names together, and of one: a grammar has a rule for each of them, and may nest no deeper than 128. */
const mostLetters = 1000;
const longest = 60;

/**
 * The rule of a JSON string that is none of these names. It has no escapes where there are names, so that it cannot be one of them
 * in another spelling.
 */
export function otherKey(names: readonly string[], anyString: string): string {
  if (names.length === 0) return anyString;
  // A name that JSON writes with escapes no other key can be.
  const spelt = names.filter((name) => JSON.stringify(name) === `"${name}"`).map((name) => Array.from(name));
  const lettersUpTo = (depth: number): number => spelt.reduce((sum, { length }) => sum + Math.min(length, depth), 0);
  let depth = longest;
  while (depth > 1 && lettersUpTo(depth) > mostLetters) depth--;
  const root = newNode();
  for (const letters of spelt) insert(root, letters, depth);
  return String.raw`"\"" ${unlike(root)} "\""`;
}

function newNode(): Node {
  return { isEnd: false, isCut: false, next: new Map() };
}

function insert(root: Node, letters: readonly string[], depth: number): void {
  let node = root;
  for (const letter of letters.slice(0, depth)) {
    const next = node.next.get(letter) ?? newNode();
    node.next.set(letter, next);
    node = next;
  }
  if (letters.length > depth) node.isCut = true;
  else node.isEnd = true;
}

/** What may follow behind the letters of a node. */
function unlike({ isEnd, next }: Node): string {
  const others = `[^${plain}${[...next.keys()].map(escaped).join("")}] [^${plain}]*`;
  const same = [...next].flatMap(([letter, node]) => (node.isCut ? [] : [`[${escaped(letter)}] ${unlike(node)}`]));
  return `(${[...(isEnd ? [] : [`""`]), others, ...same].join(" | ")})`;
}

function escaped(letter: string): string {
  return `\\U${(letter.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`;
}
