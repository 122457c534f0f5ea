import { Command } from "commander";

import { reportFailure } from "./failure.js";
import { flushOutput, watchOutput } from "./output.js";
import { packageVersion } from "../native/own-package.js";
import { llamaCppVersion } from "./package-facts.js";

interface CommandEntry {
  readonly usage: string;
  readonly summary: string;
  /** Gives the command its options and its action; only the one that was called is loaded. */
  readonly load: () => Promise<(command: Command) => void>;
}

const entries: readonly CommandEntry[] = [
  {
    usage: "chat <model>",
    summary: "talk with a model, or get one answer",
    load: async () => (await import("./commands/chat.js")).defineChat,
  },
  {
    usage: "complete <model>",
    summary: "continue a text",
    load: async () => (await import("./commands/complete.js")).defineComplete,
  },
  {
    usage: "serve [models...]",
    summary: "serve models over HTTP, as OpenAI's API and others",
    load: async () => (await import("./commands/serve.js")).defineServe,
  },
  {
    usage: "tokenize <model>",
    summary: "show the tokens of a text",
    load: async () => (await import("./commands/tokenize.js")).defineTokenize,
  },
  {
    usage: "inspect <model>",
    summary: "show a model file's metadata and tensors without loading it",
    load: async () => (await import("./commands/inspect.js")).defineInspect,
  },
  {
    usage: "pull <model>",
    summary: "download a model, or look for a newer one",
    load: async () => (await import("./commands/pull.js")).definePull,
  },
  {
    usage: "models",
    summary: "list, describe and remove models",
    load: async () => (await import("./commands/models.js")).defineModels,
  },
  {
    usage: "doctor",
    summary: "show what this machine has to run models with",
    load: async () => (await import("./commands/doctor.js")).defineDoctor,
  },
  {
    usage: "build",
    summary: "build the native addon",
    load: async () => (await import("./commands/build.js")).defineBuild,
  },
];

const afterHelp = `
A model is one that is known by name (smollm2, mistral-7b-instruct-v0.2, mistral-7b-instruct-v0.2:Q8_0; \`models list --known\`),
hf:owner/repository[:quantization], hf:owner/repository/file.gguf, the URL or path of a GGUF file, or ollama:name:tag.

Examples:
  $ llama-native chat smollm2 --system "You are a helpful assistant."
  $ llama-native chat smollm2 --system "You are a helpful assistant." -p "What is the capital of Japan?"
  $ llama-native models show mistral-7b-instruct-v0.2
  $ llama-native complete mistral-7b-instruct-v0.2 -p "Once upon a time" --max-tokens 50
  $ llama-native serve smollm2
  $ cat notes.txt | llama-native tokenize smollm2 --json
`;

/** Runs the command line; sets the exit code of the process, which then ends by itself. */
export async function run(args: readonly string[]): Promise<void> {
  watchOutput();
  let verbose = false;
  const program = await createProgram();
  program.hook("preAction", (_program, command) => {
    verbose = command.opts<{ verbose?: boolean }>().verbose === true;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    await flushOutput();
  } catch (error) {
    process.exitCode = reportFailure(error, verbose);
  }
}

async function createProgram(): Promise<Command> {
  const program = new Command("llama-native")
    .description("Runs GGUF models on this machine.")
    .version(`llama-native ${packageVersion} (llama.cpp ${await llamaCppVersion()})`)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      // A suggestion comes on a line of its own.
      outputError: (text, write) => write(text.replace(/^error: /, "llama-native: ").replace(/\n\(/, " (")),
    })
    .addHelpText("after", afterHelp)
    .helpCommand(false);
  const loaders = new Map<Command, CommandEntry["load"]>();
  for (const { usage, summary, load } of entries) loaders.set(program.command(usage).description(summary), load);
  program.command("help [command]", { hidden: true }).action(async (name?: string) => {
    await program.parseAsync(name === undefined ? ["--help"] : [name, "--help"], { from: "user" });
  });
  program.hook("preSubcommand", async (_program, command) => {
    (await loaders.get(command)?.())?.(command);
  });
  return program;
}
