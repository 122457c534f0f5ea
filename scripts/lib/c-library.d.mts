/**
 * Whether a program for 64 bits names musl's loader. It is looked up where the file says it is: tools that change programs
 * afterwards move it to their end.
 * @param {string} program
 */
export function usesMusl(program: string): boolean;
//# sourceMappingURL=c-library.d.mts.map