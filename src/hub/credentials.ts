/** A URL, or what should be one, without the name and password that it may have, for messages. */
export function withoutCredentials(text: string): string {
  return text.replace(/^(\w+:\/\/)?.*@/s, "$1…@");
}
