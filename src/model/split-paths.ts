/** All files of a model, given its file or the first of a split one's. A later one of a split model stands for itself. */
export function splitPaths(path: string): string[] {
  const [, name, count] = /^(.*)-00001-of-(\d{5})\.gguf$/s.exec(path) ?? [];
  if (name === undefined || count === undefined) return [path];
  return Array.from({ length: Number(count) }, (_, index) => {
    return `${name}-${String(index + 1).padStart(5, "0")}-of-${count}.gguf`;
  });
}
