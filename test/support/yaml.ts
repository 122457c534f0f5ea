import { parsers } from "prettier/plugins/yaml";

interface Node {
  type: string;
  value?: string;
  children?: (Node | null)[];
}

/** What a YAML document says, with texts for all scalars; throws where it is none. The parser is Prettier's. */
export function parseYaml(text: string): unknown {
  // Its options are of no use to it.
  const root = parsers.yaml.parse(text, {} as never) as Node;
  return valueOf(only(only(root).children?.find((node) => node?.type === "documentBody")));
}

function valueOf(node: Node | null | undefined): unknown {
  const children = node?.children ?? [];
  switch (node?.type) {
    case undefined:
    case "null":
      return null;
    case "mapping":
    case "flowMapping":
      return Object.fromEntries(children.map(entryOf));
    case "sequence":
    case "flowSequence":
      return children.map((item) => valueOf(item?.children?.[0]));
    default:
      if (node?.value === undefined)
        throw new Error(`Expected a kind of YAML that is known here, not ${String(node?.type)}`);
      return node.value;
  }
}

function entryOf(item: Node | null): [string, unknown] {
  const [key, value] = item?.children ?? [];
  return [String(valueOf(key?.children?.[0])), valueOf(value?.children?.[0])];
}

function only(node: Node | null | undefined): Node {
  const child = node?.children?.[0];
  if (child === null || child === undefined) throw new Error("Expected a YAML document with something in it");
  return child;
}
