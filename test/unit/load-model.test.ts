import { beforeEach, describe, expect, it, vi } from "vitest";

import { resolveModel } from "../../src/hub/index.js";
import { loadModel } from "../../src/index.js";
import type { ModelHandle } from "../../src/native/contract.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { FakeAddon } from "./fake-addon.js";

vi.mock("../../src/hub/index.js", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  resolveModel: vi.fn(),
}));
vi.mock("../../src/native/load-addon.js", () => ({ loadAddon: vi.fn() }));

describe("loadModel", () => {
  let addon: FakeAddon;

  beforeEach(() => {
    addon = new FakeAddon();
    vi.mocked(loadAddon).mockReset().mockReturnValue(addon);
    vi.mocked(resolveModel).mockReset().mockResolvedValue("/models/file.gguf");
  });

  async function reachLoading(): Promise<FakeAddon["loads"][number]> {
    await vi.waitFor(() => expect(addon.loads).toHaveLength(1));
    return addon.loads[0]!;
  }

  it("finds the file, then loads it", async () => {
    const loading = loadModel("name");
    (await reachLoading()).resolve({} as ModelHandle);
    const model = await loading;
    expect(model.path).toBe("/models/file.gguf");
    expect(resolveModel).toHaveBeenCalledWith("name", expect.objectContaining({ onProgress: expect.any(Function) }));
    expect(addon.loads[0]!.options.path).toBe("/models/file.gguf");
  });

  it("reports loading alone from 0 to 1", async () => {
    const seen: number[] = [];
    const loading = loadModel("name", { onProgress: (fraction) => seen.push(fraction) });
    const load = await reachLoading();
    for (const fraction of [0, 0.5, 0.5, 0.4, 1]) load.options.onProgress?.(fraction);
    load.resolve({} as ModelHandle);
    await loading;
    expect(seen).toEqual([0, 0.5, 1]);
  });

  it("joins a download and loading into one fraction that never falls", async () => {
    vi.mocked(resolveModel).mockImplementation((_source, options) => {
      for (const fraction of [0, 0.5, 1]) options?.onProgress?.(fraction);
      return Promise.resolve("/models/file.gguf");
    });
    const seen: number[] = [];
    const loading = loadModel("name", { onProgress: (fraction) => seen.push(fraction) });
    const load = await reachLoading();
    for (const fraction of [0, 0.5, 1]) load.options.onProgress?.(fraction);
    load.resolve({} as ModelHandle);
    await loading;
    expect(seen).toEqual([0, 0.45, 0.9, 0.95, 1]);
  });

  it.each<[unknown, object, string]>([
    ["", {}, 'Expected a non-empty string for the model\'s source but received ""'],
    [5, {}, "Expected a non-empty string for the model's source but received 5"],
    ["name", { useMap: true }, '(did you mean "useMmap"?)'],
  ])("refuses %o with %o before anything runs", async (source, options, message) => {
    await expect(loadModel(source as string, options)).rejects.toThrow(message);
    expect(loadAddon).not.toHaveBeenCalled();
    expect(resolveModel).not.toHaveBeenCalled();
  });

  it("does nothing with an aborted signal, and passes a live one on", async () => {
    await expect(loadModel("name", { signal: AbortSignal.abort("stop") })).rejects.toBe("stop");
    expect(resolveModel).not.toHaveBeenCalled();
    const { signal } = new AbortController();
    const loading = loadModel("name", { signal });
    (await reachLoading()).resolve({} as ModelHandle);
    await loading;
    expect(resolveModel).toHaveBeenCalledWith("name", expect.objectContaining({ signal }));
  });
});
