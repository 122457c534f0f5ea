/** A failure of the command itself whose message says all there is to say. */
export class CliError extends Error {
  override readonly name: string = "CliError";
}

/** The command was called in a way that it cannot be. */
export class UsageError extends CliError {
  override readonly name = "UsageError";
}
