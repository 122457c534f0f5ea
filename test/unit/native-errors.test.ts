import { expect, it } from "vitest";

import { DisposedError, LlamaError } from "../../src/errors.js";
import { awaitAddon, callAddon, fromErrorShape } from "../../src/native/errors.js";
import { addonError } from "./fake-addon.js";

it("turns the addon's errors into those of the catalogue", () => {
  const cause = new Error("llama.cpp's log");
  const error = Object.assign(addonError("CONTEXT_OVERFLOW", "too long", { promptTokens: 9, contextSize: 4 }), {
    cause,
  });
  try {
    callAddon(() => {
      throw error;
    });
    expect.unreachable();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LlamaError);
    expect(thrown).toMatchObject({
      code: "CONTEXT_OVERFLOW",
      message: "too long",
      details: { promptTokens: 9, contextSize: 4 },
      cause,
    });
  }
});

it("gives use after dispose its class, with the addon's words", () => {
  const call = (): never =>
    callAddon(() => {
      throw addonError("DISPOSED", "The model has been disposed");
    });
  expect(call).toThrow(DisposedError);
  expect(call).toThrow(/^The model has been disposed$/);
});

it("leaves errors alone that are not the addon's", () => {
  const error = new TypeError("a mistake in this package");
  expect(() =>
    callAddon(() => {
      throw error;
    }),
  ).toThrow(error);
});

it("points at the caller where the error comes later", async () => {
  async function theCaller(): Promise<void> {
    await awaitAddon(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw addonError("DECODE", "failed");
    });
  }
  const error: unknown = await theCaller().catch((reason: unknown) => reason);
  expect((error as Error).stack).toMatch(/^LlamaError: failed\n\s+at theCaller/);
});

it("carries an event's error with llama.cpp's log as its cause", () => {
  const error = fromErrorShape({ code: "GRAMMAR", message: "no", details: { line: 2 }, log: "expecting ::=" });
  expect(error).toMatchObject({ code: "GRAMMAR", details: { line: 2 }, cause: { message: "expecting ::=" } });
});
