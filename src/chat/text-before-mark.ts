/** Of a format; more are a model that has lost its way, and would be looked at again for everything that comes. */
export const mostBlanks = 1024;

/** How much of `mark` the text ends with the beginning of, up to all of it. */
export function markLength(text: string, mark: string): number {
  let length = Math.min(text.length, mark.length);
  while (!text.endsWith(mark.slice(0, length))) length--;
  return length;
}

/** How much of a text is sure to be said before a mark; blanks before it are no part of that, but endless ones are. */
export function lengthBeforeBlanks(text: string): number {
  const { length } = text.trimEnd();
  return text.length - length > mostBlanks ? text.length : length;
}
