/** `#c-library` of package.json as the library sees it, since what is compiled lies below `src`. */
export function usesMusl(program: string): boolean;
