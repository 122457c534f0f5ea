/** `#lock` of package.json as the library sees it, since what is compiled lies below `src`. */
export function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; onPoll?: ((isSilent: boolean) => void | Promise<void>) | undefined },
): Promise<T>;
