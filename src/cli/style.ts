import type { WriteStream } from "node:tty";

/** Escape sequences only where the stream is a terminal that shows them; `NO_COLOR` and `TERM=dumb` turn them off. */
function styled(codes: string, text: string, stream: WriteStream): string {
  return stream.isTTY && stream.hasColors() ? `\u001b[${codes}m${text}\u001b[0m` : text;
}

export function bold(text: string, stream: WriteStream = process.stdout): string {
  return styled("1", text, stream);
}

export function dim(text: string, stream: WriteStream = process.stdout): string {
  return styled("2", text, stream);
}
