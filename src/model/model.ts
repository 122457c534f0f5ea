import { DisposedError } from "../errors.js";
import type { ModelHandle, NativeAddon } from "../native/contract.js";
import { awaitAddon, callAddon, isCancelled } from "../native/errors.js";
import { toNativeDevices } from "./devices.js";
import type { ReadLoadOptions } from "./load-options.js";
import { toNativeLoadOptions } from "./load-options.js";
import type { ModelInfo } from "./model-info.js";
import { toModelInfo } from "./model-info.js";
import type { LoadMemory, ModelMemory } from "./model-memory.js";
import { Tokenizer } from "./tokenizer.js";

/** What a model owns besides its weights: contexts, and what else must end before the weights do. */
export interface Disposable {
  dispose(): Promise<void>;
}

/** A loaded model as the other rooms use it: the handle, what is known of it, and the list of what depends on it. */
export class Model {
  readonly addon: NativeAddon;
  readonly path: string;
  readonly info: ModelInfo;
  readonly metadata: Readonly<Record<string, string>>;
  /** The model's own Jinja template, or null. */
  readonly chatTemplateSource: string | null;
  readonly tokenizer: Tokenizer;
  /** Undefined where only the vocabulary was loaded. */
  readonly memory: ModelMemory | undefined;
  #handle: ModelHandle | undefined;
  #disposal: Promise<void> | undefined;
  readonly #children = new Set<Disposable>();

  constructor(addon: NativeAddon, handle: ModelHandle, path: string, vocabularyOnly: boolean, memory?: ModelMemory) {
    const native = callAddon(() => addon.modelInfo({ model: handle }));
    this.addon = addon;
    this.path = path;
    this.info = toModelInfo(native, vocabularyOnly);
    this.metadata = Object.freeze(native.metadata);
    this.chatTemplateSource = native.chatTemplate;
    this.tokenizer = new Tokenizer(addon, () => this.handle, native.vocabulary);
    this.memory = memory;
    this.#handle = handle;
  }

  static async load(addon: NativeAddon, path: string, options: ReadLoadOptions, memory?: LoadMemory): Promise<Model> {
    const native = toNativeLoadOptions(path, options, toNativeDevices(addon, options), memory?.gpuLayers);
    const handle = await loadHandle(addon, native, options);
    return new Model(addon, handle, native.path, options.vocabularyOnly, memory?.outcome());
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** Throws once the model is disposed, or about to be. */
  get handle(): ModelHandle {
    if (this.#handle === undefined || this.disposed) throw new DisposedError("The model");
    return this.#handle;
  }

  /** Throws once the model is disposed. */
  assertUsable(): void {
    if (this.disposed) throw new DisposedError("The model");
  }

  /** `child` is disposed before the model, unless it is released earlier. */
  adopt(child: Disposable): void {
    this.assertUsable();
    this.#children.add(child);
  }

  release(child: Disposable): void {
    this.#children.delete(child);
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    // From here on `disposed` must be true before anything else runs, so the children follow in a later turn.
    await Promise.resolve();
    try {
      await Promise.all([...this.#children].map((child) => child.dispose()));
    } finally {
      this.#children.clear();
      const handle = this.#handle;
      this.#handle = undefined;
      if (handle !== undefined) await awaitAddon(() => this.addon.modelFree({ model: handle }));
    }
  }
}

type NativeLoad = ReturnType<typeof toNativeLoadOptions>;

/** Loads with progress and cancelling; an error thrown by `onProgress` ends the load and is the outcome. */
async function loadHandle(addon: NativeAddon, native: NativeLoad, options: ReadLoadOptions): Promise<ModelHandle> {
  const { onProgress, signal } = options;
  signal?.throwIfAborted();
  let callbackFailure: { error: unknown } | undefined;
  const report = (fraction: number): void => {
    if (callbackFailure !== undefined || signal?.aborted === true) return;
    try {
      onProgress?.(fraction);
    } catch (error) {
      callbackFailure = { error };
      cancel();
    }
  };
  const { promise, job } = callAddon(() =>
    addon.modelLoad({ ...native, onProgress: onProgress === undefined ? null : report }),
  );
  const cancel = (): void => addon.loadCancel({ job });
  const throwIfStopped = (): void => {
    if (callbackFailure !== undefined) throw callbackFailure.error;
    signal?.throwIfAborted();
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const handle = await awaitAddon(() => promise);
    if (callbackFailure !== undefined || signal?.aborted === true) await addon.modelFree({ model: handle });
    throwIfStopped();
    return handle;
  } catch (error) {
    if (isCancelled(error)) throwIfStopped();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
