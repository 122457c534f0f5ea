import type { NativeGgufTensor } from "../../native/contract.js";
import { alignColumns, formatBytes, formatCount, plural } from "../format.js";
import { bold } from "../style.js";
import type { InspectedModel } from "./inspect-files.js";

/** Characters of a value that are shown. */
const longestValue = 80;
/** Elements of an array that are shown. */
const shownElements = 5;

/** A model's files, metadata and tensors for people to read. */
export function describeFile(model: InspectedModel): string[] {
  const { files, version, sizeBytes, metadata, tensors } = model;
  const entries = Object.entries(metadata);
  return [
    ...files.map((file) => bold(file)),
    `GGUF version ${version}, ${formatBytes(sizeBytes)}, ${formatCount(countParameters(tensors))} parameters`,
    "",
    bold(plural(entries.length, "metadata value")),
    ...alignColumns(entries.map(([key, value]) => [`  ${key}`, formatValue(value)])),
    "",
    bold(`${plural(tensors.length, "tensor")}: ${formatTypes(tensors)}`),
    ...alignColumns(tensors.map(tensorRow), { right: [3] }),
  ];
}

function tensorRow({ name, type, shape, sizeBytes }: NativeGgufTensor): string[] {
  return [`  ${name}`, type, shape.join(" x "), formatBytes(sizeBytes)];
}

function formatValue(value: unknown): string {
  if (!isArray(value)) return shorten(JSON.stringify(value));
  const { type, length, values } = value;
  const shown = values.slice(0, shownElements).map((element) => JSON.stringify(element));
  const more = length > shown.length ? ", …" : "";
  return shorten(`${length} x ${type}: ${shown.join(", ")}${more}`);
}

function isArray(value: unknown): value is { type: string; length: number; values: unknown[] } {
  return typeof value === "object" && value !== null && "values" in value;
}

function shorten(text: string): string {
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text;
}

/** `211 f32, 61 q4_1`, the most bytes first. */
function formatTypes(tensors: readonly NativeGgufTensor[]): string {
  const types = new Map<string, { count: number; bytes: number }>();
  for (const { type, sizeBytes } of tensors) {
    const sum = types.get(type) ?? { count: 0, bytes: 0 };
    types.set(type, { count: sum.count + 1, bytes: sum.bytes + sizeBytes });
  }
  return [...types]
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .map(([type, { count, bytes }]) => `${count} ${type} (${formatBytes(bytes)})`)
    .join(", ");
}

function countParameters(tensors: readonly NativeGgufTensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}
