/** `Q4_K_M`, `IQ3_XXS`, `UD-Q4_K_XL`, `MXFP4`, `BF16`, … as a part of a file's name between separators. */
const label =
  /(?<=^|[-._/])((?:UD-)?(?:I?Q[1-8]_[A-Z0-9]+(?:_[A-Z0-9]+)*|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))(?=$|[-._/])/gi;

/** The quantization that a file's name tells, in capitals, or null. */
export function quantizationOf(name: string): string | null {
  const found = name.match(label)?.at(-1);
  return found === undefined ? null : normalizeQuantization(found);
}

/** `F16` is also written `fp16`. */
export function normalizeQuantization(text: string): string {
  return text.toUpperCase().replace(/^FP(16|32)$/, "F$1");
}

/** A file's name without its quantization: `mistral-7b-instruct-v0.2` of `mistral-7b-instruct-v0.2.Q4_K_M`. */
export function withoutQuantization(name: string): string {
  return name.replace(label, "").replace(/[-._]+$/, "");
}
