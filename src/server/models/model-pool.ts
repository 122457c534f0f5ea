import { once } from "node:events";
import { EventEmitter } from "node:events";

import { describe, LlamaError } from "../../errors.js";
import { identifyModel, resolveModel } from "../../hub/index.js";
import { loadModel } from "../../load-model.js";
import { readGgufFile } from "../../model/gguf-header.js";
import { loadAddon } from "../../native/load-addon.js";
import { abortable } from "../abortable.js";
import { Problem } from "../http/problem.js";
import type { ServerLog } from "../operation/log.js";
import type { Memories } from "./memories.js";
import { addUp, devicesBeside, devicesWithout, lackingMemory, memoriesLeft, ramMemory } from "./memories.js";
import type { ModelNeeds } from "./model-needs.js";
import { modelNeeds } from "./model-needs.js";
import { distinctIds, isSameName, longestName, namesInMetadata, plainName } from "./model-names.js";
import type { LoadedModel, ServedModel } from "./served-model.js";
import { contextDefaults } from "./served-model.js";

export interface PoolOptions {
  /** Bytes of RAM that the loaded models may take together, by estimate; Infinity for no limit. */
  readonly memoryBudgetBytes: number;
  /** Milliseconds after which a model nobody uses is unloaded; 0 for never. */
  readonly idleUnloadMs: number;
  readonly log: ServerLog;
}

/** A loaded model in use: it stays loaded until `release` is called. */
export interface Lease extends LoadedModel {
  readonly entry: PooledModel;
  /** Milliseconds waited for the model to be loaded. */
  readonly loadMs: number;
  /** `keepMs`, where given, is how long the model stays loaded when nobody uses it, from now on. */
  release(keepMs?: number): void;
}

/** Why a load ends for which others would have to go. */
const unwanted = new Error("Nobody waits for the model any more");

/** Why a model is loaded: with the server, or because somebody asks for it. */
type Occasion = "start" | "request";

/** One model of the server, loaded or not. */
export class PooledModel {
  readonly id: string;
  readonly served: ServedModel;
  readonly createdMs = Date.now();
  /** Whether the server loads and unloads it. */
  readonly owned: boolean;
  loaded: LoadedModel | undefined;
  needs: ModelNeeds | undefined;
  loading: Promise<void> | undefined;
  /** Settles when its memory is free again. */
  unloading: Promise<void> | undefined;
  /** Whether another model waits for its memory: new requests then queue behind that one's load. */
  leaving = false;
  /** Requests that wait for it to be loaded; these are mostly users already. */
  waiting = 0;
  users = 0;
  lastUsedMs = 0;
  keepMs: number;
  idleTimer: NodeJS.Timeout | undefined;
  readonly #names: Set<string>;
  /** Of the file that it will be loaded from, where that is on this machine and was not read yet. */
  #unreadPath: string | undefined;

  constructor(served: ServedModel, id: string, keepMs: number) {
    const { source, aliases = [] } = served;
    this.served = served;
    this.keepMs = keepMs;
    this.owned = typeof source === "string";
    if (typeof source !== "string") this.loaded = { model: source.model, context: source };
    this.id = id;
    this.#names = new Set([this.id, ...aliases].map(plainName));
    if (typeof source === "string") {
      const { names, path } = identifyModel(source);
      for (const name of [source, ...names]) this.#names.add(plainName(name));
      this.#unreadPath = path;
    }
    this.#learnNames(this.loaded?.model.metadata);
  }

  /** Whether it is loaded, or about to be. */
  get isWanted(): boolean {
    return this.loaded !== undefined || this.loading !== undefined;
  }

  /** Whether it has exactly this alias. */
  hasAlias(name: string): boolean {
    return this.served.aliases?.some((alias) => isSameName(alias, name)) === true;
  }

  goesBy(name: string): boolean {
    return this.#names.has(plainName(name));
  }

  set(loaded: LoadedModel): void {
    this.loaded = loaded;
    this.#unreadPath = undefined;
    this.#learnNames(loaded.model.metadata);
  }

  /** Learns what its file calls itself, without loading it. Throws where that cannot be read, and does not try again. */
  async readNames(): Promise<void> {
    const path = this.#unreadPath;
    if (path === undefined) return;
    this.#unreadPath = undefined;
    const name = (await readGgufFile(path)).metadata.get("general.name");
    if (typeof name === "string") this.#learnNames({ "general.name": name });
  }

  #learnNames(metadata: Readonly<Record<string, string>> = {}): void {
    for (const name of namesInMetadata(metadata)) this.#names.add(plainName(name));
  }
}

/**
 * The models of a server: loads them when they are needed, one at a time, and unloads those nobody uses, the least recently
 * used first, when memory is needed, or after a while.
 */
export class ModelPool {
  readonly models: readonly PooledModel[];
  readonly #options: PoolOptions;
  /** Says "change" when a model has become free to be unloaded, or one waits for it no longer. */
  readonly #news = new EventEmitter();
  #turn: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  /** Settles when the names are known that models have in their files. */
  #reading: Promise<void> | undefined;

  constructor(models: readonly ServedModel[], options: PoolOptions) {
    const ids = distinctIds(models.map(({ name, source }) => ({ name, source: sourceText(source) })));
    this.models = models.map((served, index) => new PooledModel(served, ids[index] ?? "", options.idleUnloadMs));
    this.#options = options;
    this.#news.setMaxListeners(0);
  }

  /** The model of this name, or the first where none is named. Rejects with `model_not_found` and the names that exist. */
  async find(name: string | undefined): Promise<PooledModel> {
    const found = this.#named(name);
    if (found !== undefined) return found;
    if (name !== undefined && name.length <= longestName) {
      await (this.#reading ??= this.#readNames());
      const late = this.#named(name);
      if (late !== undefined) return late;
    }
    const names = this.models.map(({ id }) => id).join(", ");
    const asked = name !== undefined && name.length <= longestName ? JSON.stringify(name) : describe(name);
    throw new Problem("model_not_found", `There is no model ${asked} here; there is ${names}`, { param: "model" });
  }

  #named(name: string | undefined): PooledModel | undefined {
    if (name === undefined) return this.models[0];
    if (name.length > longestName) return undefined;
    // By its very id or alias first: quantizations of one model share their other names.
    return (
      this.models.find(({ id }) => isSameName(id, name)) ??
      this.models.find((model) => model.hasAlias(name)) ??
      this.models.find((model) => model.goesBy(name))
    );
  }

  /** Once, one file after the other. Never rejects: a model whose file cannot be read is known by its other names. */
  async #readNames(): Promise<void> {
    for (const model of this.models) {
      try {
        await model.readNames();
      } catch (err) {
        this.#options.log.warn({ model: model.id, err }, "the model's own name could not be read from its file");
      }
    }
  }

  /** Loads every model the server owns, in their order. */
  async loadAll(): Promise<void> {
    for (const entry of this.models) if (entry.loaded === undefined) await this.#load(entry, "start");
  }

  /**
   * Waits until the model is loaded; rejects with the signal's reason where that aborts first. Who waits is a user already:
   * a model that was just loaded for somebody must not make room for the next before it was of any use.
   */
  async acquire(entry: PooledModel, signal: AbortSignal): Promise<Lease> {
    const started = performance.now();
    if (entry.leaving) await this.#waitFor(entry, signal);
    clearTimeout(entry.idleTimer);
    entry.users++;
    try {
      while (entry.loaded === undefined) {
        signal.throwIfAborted();
        await this.#waitFor(entry, signal);
      }
      return this.#lease(entry, entry.loaded, performance.now() - started);
    } catch (error) {
      this.#leave(entry);
      throw error;
    }
  }

  /** Unloads a model as soon as nobody uses it. */
  unload(entry: PooledModel): void {
    if (entry.users === 0) void this.#unload(entry, "asked");
  }

  async dispose(): Promise<void> {
    this.#closing.abort(new Problem("draining", "The server is shutting down", { retryAfter: 1 }));
    await Promise.allSettled(this.models.flatMap(({ loading }) => (loading === undefined ? [] : [loading])));
    await Promise.all(this.models.map((entry) => this.#unload(entry, "closing")));
  }

  async #waitFor(entry: PooledModel, signal: AbortSignal): Promise<void> {
    entry.waiting++;
    try {
      await abortable(this.#load(entry), signal);
    } catch (error) {
      if (error !== unwanted) throw asOwnFault(error); // that load was for others
    } finally {
      entry.waiting--;
      this.#news.emit("change");
    }
  }

  #lease(entry: PooledModel, loaded: LoadedModel, loadMs: number): Lease {
    let released = false;
    const release = (keepMs = entry.keepMs): void => {
      if (released) return;
      released = true;
      entry.keepMs = keepMs;
      this.#leave(entry);
    };
    return { entry, ...loaded, loadMs, release };
  }

  #leave(entry: PooledModel): void {
    entry.lastUsedMs = Date.now();
    if (--entry.users > 0) return;
    this.#news.emit("change");
    this.#unloadWhenIdle(entry);
  }

  #unloadWhenIdle(entry: PooledModel): void {
    const isIdle = entry.loaded !== undefined && entry.users === 0;
    if (!entry.owned || entry.keepMs === 0 || !isIdle || this.#closing.signal.aborted) return;
    if (entry.keepMs < 0) {
      this.unload(entry);
      return;
    }
    entry.idleTimer = setTimeout(() => void this.#unload(entry, "idle"), entry.keepMs);
    entry.idleTimer.unref();
  }

  #load(entry: PooledModel, occasion: Occasion = "request"): Promise<void> {
    entry.loading ??= this.#findAndLoad(entry, occasion).finally(() => {
      entry.loading = undefined;
    });
    entry.loading.catch(() => undefined); // for those who wait
    return entry.loading;
  }

  /** Downloads go side by side, but one load at a time, so that each sees what the others have left of the memory. */
  async #findAndLoad(entry: PooledModel, occasion: Occasion): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const { source } = entry.served;
    if (typeof source !== "string") return;
    const path = await resolveModel(source, { signal });
    const work = this.#turn.then(() => this.#loadNow(entry, path, occasion));
    this.#turn = work.catch(() => undefined);
    await work;
  }

  async #loadNow(entry: PooledModel, path: string, occasion: Occasion): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    if (entry.loaded !== undefined) return; // there was room for the other one after all
    await entry.unloading; // its memory is counted once
    const { load, context = {}, template } = entry.served;
    const started = performance.now();
    const needs = await this.#makeRoom(entry, path, occasion);
    const model = await loadModel(path, { ...load, ...needs.load, signal });
    try {
      if (template !== undefined) model.createChatTemplate(template); // a broken one shows now
      // Models that can neither generate nor embed are refused by it.
      const { canGenerate, hasEncoder, hasDecoder } = model.info;
      const made =
        canGenerate || (hasEncoder && hasDecoder)
          ? await model.createContext({ ...contextDefaults, ...context, ...needs.context })
          : null;
      signal.throwIfAborted();
      entry.needs = needs;
      entry.keepMs = this.#options.idleUnloadMs; // what a request asked for ended with that load
      entry.lastUsedMs = Date.now(); // from when on it may be idle
      entry.set({ model, context: made });
    } catch (error) {
      await model.dispose();
      throw error;
    }
    const ms = Math.round(performance.now() - started);
    this.#options.log.info({ model: entry.id, path, ms, estimatedBytes: needs.bytes }, "model loaded");
    this.#unloadWhenIdle(entry);
  }

  /** Unloads others until there is room for the model in RAM and on its devices, and tells how much it will take. */
  async #makeRoom(entry: PooledModel, path: string, occasion: Occasion): Promise<ModelNeeds> {
    const { load } = entry.served;
    const budget = this.#options.memoryBudgetBytes;
    try {
      for (;;) {
        const { devices } = loadAddon(load?.gpu).systemInfo({});
        const present = this.#inMemory().length;
        const taken = this.#taken();
        const beside = devicesBeside(devices, taken);
        // Models that are loaded with the server share the devices; one that is asked for gets the layers it would have alone.
        const isSharing = occasion === "start" && (load?.gpuLayers ?? "auto") === "auto";
        const needs = await modelNeeds(path, entry.served, budget, isSharing ? beside : devicesWithout(devices, taken));
        this.#checkBudget(entry, needs);
        const ramLeft = budget - (taken.get(ramMemory) ?? 0);
        const lacking = lackingMemory(needs.memories, taken, memoriesLeft(ramLeft, beside));
        if (lacking === undefined) return needs;
        if (occasion === "request" && entry.waiting === 0) throw unwanted;
        // One that went while the header was read has made room, and nothing would ever tell of it again.
        if (this.#inMemory().length < present) continue;
        await this.#freeSome(lacking);
      }
    } finally {
      for (const model of this.models) model.leaving = false;
    }
  }

  #checkBudget({ id }: PooledModel, { memories }: ModelNeeds): void {
    const budget = this.#options.memoryBudgetBytes;
    const bytes = memories.get(ramMemory) ?? 0;
    if (bytes <= budget) return;
    const message = `${id} needs about ${Math.round(bytes)} bytes of RAM, more than the memory budget of ${budget}`;
    throw new LlamaError("INSUFFICIENT_MEMORY", message, { details: { bytes, budget, where: ramMemory } });
  }

  /** Unloads the least recently used model that has some of a memory, and waits until it is free where all are in use. */
  async #freeSome(where: string): Promise<void> {
    const holders = this.#inMemory().filter(({ needs }) => (needs?.memories.get(where) ?? 0) > 0);
    const unloading = holders.find((model) => model.unloading !== undefined)?.unloading;
    if (unloading !== undefined) return unloading;
    const loaded = holders.filter((model) => model.owned && model.loaded !== undefined);
    const [oldest] = loaded.sort((a, b) => Number(a.users > 0) - Number(b.users > 0) || a.lastUsedMs - b.lastUsedMs);
    if (oldest?.users === 0) return this.#unload(oldest, "room");
    // Steady requests would otherwise never let it go.
    if (oldest !== undefined) oldest.leaving = true;
    const { signal } = this.#closing;
    await once(this.#news, "change", { signal }).catch(() => signal.throwIfAborted());
  }

  /** What the models take together, by estimate. */
  #taken(): Memories {
    return addUp(this.#inMemory().map(({ needs }) => needs?.memories ?? new Map<string, number>()));
  }

  #inMemory(): PooledModel[] {
    return this.models.filter(({ loaded, unloading }) => loaded !== undefined || unloading !== undefined);
  }

  /** Never rejects: nobody could do more about a model that cannot be let go of than the log. */
  async #unload(entry: PooledModel, why: string): Promise<void> {
    clearTimeout(entry.idleTimer);
    const { loaded } = entry;
    if (!entry.owned || loaded === undefined || (entry.users > 0 && why !== "closing")) return entry.unloading;
    entry.loaded = undefined;
    entry.unloading = this.#dispose(entry, loaded, why).finally(() => {
      entry.unloading = undefined;
    });
    await entry.unloading;
  }

  async #dispose({ id }: PooledModel, { model }: LoadedModel, why: string): Promise<void> {
    const { log } = this.#options;
    try {
      await model.dispose();
      log.info({ model: id, why }, "model unloaded");
    } catch (err) {
      log.error({ model: id, why, err }, "a model could not be unloaded");
    }
  }
}

function sourceText(source: ServedModel["source"]): string {
  return typeof source === "string" ? source : source.model.path;
}

/** The server's configuration of a model, and not the request, has what these find wrong. */
function asOwnFault(error: unknown): unknown {
  const isOwn = error instanceof LlamaError && ["INVALID_OPTION", "TEMPLATE"].includes(error.code);
  return isOwn ? new Problem("internal", error.message, { cause: error }) : error;
}
