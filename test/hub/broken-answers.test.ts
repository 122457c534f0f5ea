// Lists and ranges that are cut off, stall, or are something else than what was asked for.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { agentOptions } from "../../src/hub/http.js";
import { resolveModel } from "../../src/hub/index.js";
import type * as Hub from "../../src/hub/index.js";
import type { Offers } from "../../src/hub/offers.js";
import { listOffers } from "../../src/hub/offers.js";
import type { Behaviour, HubServer, Request } from "../support/hub/hub-server.js";
import { startHub } from "../support/hub/hub-server.js";
import type { Sandbox } from "../support/hub/sandbox.js";
import { enterSandbox, setVariables } from "../support/hub/sandbox.js";

const content = Buffer.concat([Buffer.from("GGUF"), randomBytes(200_000)]);
const name = "owner/model-GGUF";
const source = `hf:${name}`;

let hub: HubServer;
let sandbox: Sandbox;
let url: string;

beforeEach(async () => {
  hub = await startHub({ [name]: { files: { "model.Q4_K_M.gguf": content } } });
  sandbox = await enterSandbox(hub.url);
  url = `${hub.plainUrl}/${name}/resolve/main/model.Q4_K_M.gguf`;
});

afterEach(async () => {
  await hub.close();
  await sandbox.leave();
});

const isApi = ({ path }: Request): boolean => path.startsWith("/api/");
const isList = ({ path }: Request): boolean => path.includes("/tree/");
const isRange = ({ storage }: Request): boolean => storage;

/** Behaves so to as many of the requests. */
function disturb(which: (request: Request) => boolean, behaviour: Behaviour, times = Infinity): void {
  let left = times;
  hub.behave = (request) => (which(request) && left-- > 0 ? behaviour : undefined);
}

const asked = (which: (request: Request) => boolean): number => hub.requests.filter(which).length;

/** What is broken whenever it is asked for. */
const broken: [string, Behaviour][] = [
  ["cut off", { cutAfter: 10 }],
  ["a page to log in", { body: "<html>Log in first</html>" }],
  ["empty", { body: "" }],
  ["JSON of something else", { body: '{"error":"Log in first"}' }],
];

describe("the hub's lists", () => {
  it.each([
    ["of what is known of a model", isApi],
    ["of its files", isList],
  ])("%s are asked for again when they are cut off", async (_, which) => {
    disturb(which, { cutAfter: 10 }, 2);
    expect((await readFile(await resolveModel(source))).equals(content)).toBe(true);
    expect(asked(which)).toBeGreaterThanOrEqual(3);
  });

  it("are asked for again when they stall", async () => {
    // The agent that knows this variable's value is made once in a process.
    setVariables({ HF_HUB_DOWNLOAD_TIMEOUT: "1" });
    vi.resetModules();
    const fresh: typeof Hub = await import("../../src/hub/index.js");
    disturb(isList, { stallAfter: 10 }, 1);
    expect((await readFile(await fresh.resolveModel(source))).equals(content)).toBe(true);
  });

  it("that are cut off again and again are an error that says so", async () => {
    disturb(isApi, { cutAfter: 10 });
    await expect(resolveModel(source)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/^The connection to 127\.0\.0\.1:\d+ breaks off again and again: /) as string,
    });
  });

  it.each([
    ["what is known of a model", isApi],
    ["a list of its files", isList],
  ])("in place of %s are an error that says so", async (_, which) => {
    for (const [, behaviour] of broken.slice(1)) {
      disturb(which, behaviour);
      await expect(resolveModel(source)).rejects.toMatchObject({
        code: "DOWNLOAD",
        message: expect.stringMatching(
          /^127\.0\.0\.1:\d+ answered with something else than a list of files\. Does/,
        ) as string,
      });
    }
  });

  it.each(broken)("that are %s let pull take what is in the cache, after one repeat at most", async (_, behaviour) => {
    const path = await resolveModel(source);
    const before = asked(isApi);
    disturb(isApi, behaviour);
    expect(await resolveModel(source, { refresh: true })).toBe(path);
    expect(asked(isApi) - before).toBeLessThanOrEqual(2);
  });

  it.each(broken)("that are %s let models show tell what is in the cache", async (_, behaviour) => {
    const path = await resolveModel(source);
    disturb(isList, behaviour);
    const { offers, problem } = await listOffers(source, {});
    expect(offers.map((offer) => offer.path)).toEqual([path]);
    expect(problem).toMatch(/breaks off again and again|answered with something else/);
  });
});

describe("a part of a file that is looked at on a server", () => {
  const read = async ({ offers }: Offers): Promise<Uint8Array> => offers[0]!.remote[0]!.read(0, 100_000);

  it.each([
    ["the hub", () => source],
    ["another server", () => url],
  ])("is asked for again when it is cut off: of %s", async (_, sourceOf) => {
    const offers = await listOffers(sourceOf(), {});
    disturb(isRange, { cutAfter: 50_000 }, 2);
    expect(Buffer.from(await read(offers)).equals(content.subarray(0, 100_000))).toBe(true);
  });

  it("is refused when it is another one than was asked for", async () => {
    const offers = await listOffers(source, {});
    disturb(isRange, { lessThanAsked: 99_999 });
    await expect(read(offers)).rejects.toMatchObject({
      code: "DOWNLOAD",
      message: expect.stringMatching(/expected 100000 bytes from 0 on but received 99999 from 0 on\. Try/) as string,
    });
  });

  it("that shows whether a URL is a model is asked for again when it is cut off", async () => {
    disturb(({ range }) => range === "bytes=0-3", { cutAfter: 2 }, 2);
    expect((await readFile(await resolveModel(url))).equals(content)).toBe(true);
  });
});

describe("a network without answers", () => {
  it.each([
    [undefined, 10_000, 30_000],
    ["60", 10_000, 60_000],
    ["2", 2000, 2000],
  ])(
    "is waited for, where HF_HUB_DOWNLOAD_TIMEOUT is %s, %i ms for a connection and %i for more",
    (value, connect, more) => {
      expect(agentOptions({ HF_HUB_DOWNLOAD_TIMEOUT: value })).toEqual({
        connect: { timeout: connect },
        headersTimeout: more,
        bodyTimeout: more,
      });
    },
  );

  it.each([
    ["the hub", () => source],
    ["a URL", () => url],
  ])("is asked twice where the cache has a model of %s", async (_, sourceOf) => {
    const wanted = sourceOf();
    const path = await resolveModel(wanted);
    await hub.close();
    let requests = 0;
    const mute = createServer((socket) => {
      socket.once("data", () => {
        requests++;
        socket.destroy();
      });
    }).listen(Number(new URL(hub.url).port), "127.0.0.1");
    await once(mute, "listening");
    expect(await resolveModel(wanted, { refresh: true })).toBe(path);
    mute.close();
    expect(requests).toBe(2);
  });
});
