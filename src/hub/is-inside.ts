import nodePath from "node:path";

/** Whether something is below a folder, by this system's rules for paths or another's. */
export function isInside(
  folder: string,
  inner: string,
  path: Pick<typeof nodePath, "relative" | "isAbsolute" | "sep"> = nodePath,
): boolean {
  const way = path.relative(folder, inner);
  const leadsOut = way === ".." || way.startsWith(`..${path.sep}`);
  // To another drive there is no way but the whole path.
  return way !== "" && !leadsOut && !path.isAbsolute(way);
}
