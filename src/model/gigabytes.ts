export function gigabytes(bytes: number): string {
  return bytes < 0.995e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
