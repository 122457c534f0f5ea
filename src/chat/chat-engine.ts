import type { PlannedContext } from "../context/context-options.js";
import { Engine } from "../context/engine.js";
import { DisposedError } from "../errors.js";
import type { Model } from "../model/model.js";

/** Where a session's answers are generated: in a context that others use too, or in one of its own. */
export interface ChatEngine {
  get(): Engine | Promise<Engine>;
  /** Ends what belongs to the session alone. */
  dispose(): Promise<void>;
}

export function sharedEngine(engine: Engine): ChatEngine {
  return { get: () => engine, dispose: () => Promise.resolve() };
}

/** A context planned and made when it is first needed, and again on the next use where that failed. */
export function ownEngine(model: Model, plan: () => PlannedContext): ChatEngine {
  let creation: Promise<Engine> | undefined;
  let disposal: Promise<void> | undefined;
  const make = async (): Promise<Engine> => Engine.create(model, plan());
  return {
    async get() {
      if (disposal !== undefined) throw new DisposedError("The chat session's context");
      creation ??= make().catch((error: unknown) => {
        creation = undefined;
        throw error;
      });
      return creation;
    },
    dispose() {
      disposal ??= (async () => {
        const engine = await creation?.catch(() => undefined);
        await engine?.dispose();
      })();
      return disposal;
    },
  };
}
