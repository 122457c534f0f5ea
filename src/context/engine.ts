import { DisposedError } from "../errors.js";
import type { GenerationRun, Prompt } from "../generation/generation-run.js";
import { ramMemory, reserve } from "../model/memory-ledger.js";
import type { Model } from "../model/model.js";
import type {
  ContextHandle,
  ModelHandle,
  NativeAddon,
  NativeContextInfo,
  NativeContextParams,
  NativeContextStats,
  NativeEventReceiver,
} from "../native/contract.js";
import { awaitAddon, callAddon } from "../native/errors.js";
import { eventReceiver } from "./event-packet.js";
import type { PlannedContext } from "./context-options.js";
import type { RequestPlan } from "./request-options.js";

/** A context's handle, its requests in progress, and its end. */
export class Engine {
  readonly model: Model;
  readonly info: NativeContextInfo;
  /** Requests that may wait. */
  readonly queueSize: number;
  readonly #addon: NativeAddon;
  readonly #handle: ContextHandle;
  readonly #runs: Map<number, GenerationRun>;
  #lastId = 0;
  /** Frees what its second tier has set aside to grow into. */
  readonly #release: () => void;
  #onDisposed: () => void = () => undefined;
  #disposal: Promise<void> | undefined;

  private constructor(
    model: Model,
    handle: ContextHandle,
    runs: Map<number, GenerationRun>,
    { queueSize, ramCacheBytes }: NativeContextParams,
  ) {
    this.model = model;
    this.queueSize = queueSize;
    this.#addon = model.addon;
    this.#handle = handle;
    this.#runs = runs;
    this.info = Object.freeze(callAddon(() => this.#addon.contextInfo({ context: handle })));
    const unfilled = (): number => (this.disposed ? 0 : ramCacheBytes - this.stats.storedBytes);
    this.#release = reserve(ramCacheBytes > 0 ? [{ where: ramMemory, bytes: unfilled }] : []);
  }

  /** Its models own the engine from the first moment: disposing one in the meantime waits for the creation too. */
  static async create(model: Model, plan: PlannedContext): Promise<Engine> {
    const { draft } = plan;
    const owners = draft === undefined || draft === model ? [model] : [model, draft];
    const creation = Engine.#create(model, model.handle, draft?.handle ?? null, plan);
    const owned = {
      dispose: (): Promise<void> =>
        creation.then(
          (engine) => engine.dispose(),
          () => undefined,
        ),
    };
    for (const owner of owners) owner.adopt(owned);
    const release = (): void => owners.forEach((owner) => owner.release(owned));
    try {
      const engine = await creation;
      engine.#onDisposed = release;
      if (!owners.some((owner) => owner.disposed)) return engine;
      await engine.dispose(); // the model may not have come to what it owns yet
      throw new DisposedError("The model");
    } catch (error) {
      release();
      throw error;
    }
  }

  static async #create(
    model: Model,
    weights: ModelHandle,
    draftModel: ModelHandle | null,
    { params, fit }: PlannedContext,
  ): Promise<Engine> {
    const runs = new Map<number, GenerationRun>();
    // From the moment of the plan on: others that are planned meanwhile must not count on the same memory.
    const needs = (fit?.shares ?? []).map(({ where, neededBytes }) => ({ where, bytes: neededBytes }));
    const release = reserve([...needs, { where: ramMemory, bytes: params.ramCacheBytes }]);
    try {
      const handle = await awaitAddon(() =>
        model.addon.contextCreate({ model: weights, draftModel, params, onEvents: dispatchTo(runs) }),
      );
      return new Engine(model, handle, runs, params);
    } finally {
      release();
    }
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** Throws once the context is disposed, or about to be. */
  get handle(): ContextHandle {
    this.assertUsable();
    return this.#handle;
  }

  assertUsable(): void {
    if (this.disposed) throw new DisposedError("The context");
  }

  get stats(): NativeContextStats {
    return callAddon(() => this.#addon.contextStats({ context: this.handle }));
  }

  /** Queues a request whose prompt is ready; all later news of it reach `run`. Throws what the addon refuses. */
  submit(run: GenerationRun, prompt: Prompt, plan: RequestPlan): void {
    const context = this.handle;
    const id = this.#newId();
    this.#runs.set(id, run);
    try {
      callAddon(() =>
        this.#addon.contextGenerate({ context, id, tokens: prompt.tokens, elapsedMs: run.elapsedMs, ...plan }),
      );
    } catch (error) {
      this.#runs.delete(id);
      throw error;
    }
    run.submitted(prompt, () => {
      if (this.#runs.has(id) && !this.disposed) callAddon(() => this.#addon.contextCancel({ context, id }));
    });
  }

  /** One that no request has now: they begin again after 2^31. */
  #newId(): number {
    do this.#lastId = (this.#lastId % 0x7fffffff) + 1;
    while (this.#runs.has(this.#lastId));
    return this.#lastId;
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    await Promise.resolve(); // `disposed` is true before anybody hears of it
    for (const run of this.#runs.values()) run.fail(new DisposedError("The context"));
    this.#runs.clear();
    this.#release();
    await awaitAddon(() => this.#addon.contextDispose({ context: this.#handle }));
    this.#onDisposed();
  }
}

function dispatchTo(runs: Map<number, GenerationRun>): NativeEventReceiver {
  return eventReceiver((event) => {
    const run = runs.get(event.id);
    if (event.end !== null) runs.delete(event.id);
    try {
      run?.accept(event);
    } catch (error) {
      // The events behind it are other requests'.
      run?.cancel();
      run?.fail(error);
    }
  });
}
