import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { BatchQueue, Ticker } from "../../src/server/inference/batch-queue.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const every25 = (): Ticker => new Ticker({ leastMs: 25, msEach: 5, mostMs: 100, graceMs: 15 });

/** What the consumer has got so far. */
function consume(queue: BatchQueue<number>): (number[] | string)[] {
  const got: (number[] | string)[] = [];
  const run = async (): Promise<void> => {
    for (let batch = await queue.next(); batch !== undefined; batch = await queue.next()) got.push(batch);
    got.push("end");
  };
  run().catch((error: unknown) => got.push((error as Error).message));
  return got;
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe("a queue that gathers", () => {
  test("hands on the first item at once, and later ones with the one that comes after a while", async () => {
    const queue = new BatchQueue<number>(every25());
    const got = consume(queue);
    queue.push(1);
    await settle();
    expect(got).toEqual([[1]]);
    queue.push(2);
    await vi.advanceTimersByTimeAsync(24);
    queue.push(3);
    await settle();
    expect(got).toEqual([[1]]);
    await vi.advanceTimersByTimeAsync(1);
    queue.push(4);
    await settle();
    expect(got).toEqual([[1], [2, 3, 4]]);
  });

  test("hands on what it has where no more comes", async () => {
    const queue = new BatchQueue<number>(every25());
    const got = consume(queue);
    queue.push(1);
    await settle();
    queue.push(2);
    await vi.advanceTimersByTimeAsync(39);
    expect(got).toEqual([[1]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(got).toEqual([[1], [2]]);
  });

  test.each([30, 50])("makes nobody wait who was slow already: %i ms", async (ms) => {
    const queue = new BatchQueue<number>(every25());
    const got = consume(queue);
    queue.push(1);
    await vi.advanceTimersByTimeAsync(ms);
    queue.push(2);
    await settle();
    expect(got).toEqual([[1], [2]]);
  });

  test.each<[string, (queue: BatchQueue<number>) => void, string]>([
    ["the end", (queue) => queue.end(), "end"],
    ["a failure", (queue) => queue.fail(new Error("broken")), "broken"],
  ])("hands on what it has before %s, without waiting", async (_, finish, last) => {
    const queue = new BatchQueue<number>(every25());
    const got = consume(queue);
    queue.push(1);
    await settle();
    queue.push(2);
    finish(queue);
    queue.push(3);
    await settle();
    expect(got).toEqual([[1], [2], last]);
  });
});

test("queues of one ticker hand on together, and it ticks for nobody else", async () => {
  const ticker = every25();
  const queues = [new BatchQueue<number>(ticker), new BatchQueue<number>(ticker)];
  const got = queues.map(consume);
  const push = async (item: number, ms: number): Promise<void> => {
    for (const queue of queues) {
      queue.push(item);
      await vi.advanceTimersByTimeAsync(ms);
    }
  };
  await push(1, 10);
  expect(got).toEqual([[[1]], [[1]]]);
  await push(2, 1);
  expect(got).toEqual([[[1]], [[1]]]);
  await vi.advanceTimersByTimeAsync(3);
  for (const queue of queues) queue.push(3);
  await settle();
  expect(got).toEqual([
    [[1], [2, 3]],
    [[1], [2, 3]],
  ]);
  await vi.advanceTimersByTimeAsync(40);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [1, 25],
  [8, 40],
  [64, 100],
])("of %i streams each gets at most as many batches as every %i ms make", async (count, ms) => {
  const ticker = every25();
  const queues = Array.from({ length: count }, () => new BatchQueue<number>(ticker));
  const got = queues.map(consume);
  for (let time = 0; time < 10 * ms; time++) {
    for (const queue of queues) queue.push(time);
    await vi.advanceTimersByTimeAsync(1);
  }
  const [first] = got;
  // Nothing waits but for a tick, of which the first comes before it is known how many there are.
  expect(first?.length).toBeGreaterThanOrEqual(10);
  expect(first?.length).toBeLessThanOrEqual(12);
  expect(got.every((batches) => batches.length === first?.length)).toBe(true);
});

test("a queue that does not gather hands on every item as it comes", async () => {
  const queue = new BatchQueue<number>();
  const got = consume(queue);
  for (const item of [1, 2, 3]) {
    queue.push(item);
    await settle();
  }
  expect(got).toEqual([[1], [2], [3]]);
});
