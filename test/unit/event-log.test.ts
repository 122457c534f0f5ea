import { describe, expect, it, vi } from "vitest";

import { EventLog } from "../../src/generation/event-log.js";
import { collect, settle } from "./fake-model.js";

const same = <T>(item: T, handOn: (value: T) => void): void => handOn(item);
const stay = async (): Promise<void> => undefined;

describe("EventLog", () => {
  it("shows every reader everything, whenever it starts", async () => {
    const log = new EventLog<number>();
    log.append(1);
    const early = collect(log.read(same, stay));
    log.append(2);
    await settle();
    log.append(3);
    log.end();
    expect(await early).toEqual([1, 2, 3]);
    expect(await collect(log.read(same, stay))).toEqual([1, 2, 3]);
  });

  it("delivers what came before an error, then the error, once", async () => {
    const log = new EventLog<number>();
    log.append(1);
    log.fail(new Error("broken"));
    const reader = log.read(same, stay);
    expect(await reader.next()).toEqual({ done: false, value: 1 });
    await expect(reader.next()).rejects.toThrow("broken");
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("answers calls of next() in their order", async () => {
    const log = new EventLog<number>();
    const reader = log.read(same, stay);
    const first = [reader.next(), reader.next()];
    log.append(1);
    const third = reader.next();
    log.append(2);
    log.append(3);
    const values = (await Promise.all([...first, third])).map(({ value }) => value as number);
    expect(values).toEqual([1, 2, 3]);
  });

  it("leaves at once on return(), also while a next() is waiting", async () => {
    const log = new EventLog<number>();
    let release!: () => void;
    const onLeave = vi.fn(() => new Promise<void>((resolve) => (release = resolve)));
    const reader = log.read(same, onLeave);
    const waiting = reader.next();
    await settle();
    const leaving = reader.return!();
    expect(onLeave).toHaveBeenCalled();
    expect(await waiting).toEqual({ done: true, value: undefined });
    release();
    expect(await leaving).toEqual({ done: true, value: undefined });
    await reader.return!();
    expect(onLeave).toHaveBeenCalledTimes(1);
  });

  it("is not left where the end was reached", async () => {
    const log = new EventLog<number>();
    const onLeave = vi.fn(stay);
    log.end();
    const reader = log.read(same, onLeave);
    await reader.next();
    await reader.return!();
    expect(onLeave).not.toHaveBeenCalled();
  });

  it("maps an item to any number of values", async () => {
    const log = new EventLog<number>();
    for (const item of [0, 2, 1]) log.append(item);
    log.end();
    const reader = log.read<number>((item, handOn) => {
      for (let left = item; left > 0; left--) handOn(item);
    }, stay);
    expect(await collect(reader)).toEqual([2, 2, 1]);
  });
});
