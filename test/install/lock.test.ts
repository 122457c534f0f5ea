import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pidSpace, withLock } from "../../scripts/lib/lock.mjs";
import { packageDir, Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
let path: string;
beforeEach(() => {
  sandbox = new Sandbox();
  path = join(sandbox.root, "locks", "build");
});
afterEach(() => {
  sandbox.remove();
});

/** Leaves a lock as a process would that held it and touched it so many seconds ago. */
function leaveLock(owner: { pid: number; host?: string } | null, secondsAgo: number): void {
  mkdirSync(path, { recursive: true });
  const file = owner === null ? path : join(path, "owner.json");
  if (owner !== null) writeFileSync(file, JSON.stringify({ host: pidSpace(), ...owner }));
  const then = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(file, then, then);
}

/** No process has this pid: Linux and macOS count to 2^22 at most. */
const deadPid = 2 ** 22 + 1;

describe("a lock", () => {
  it("lets one in at a time", async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(20);
      inside -= 1;
    };
    await Promise.all([1, 2, 3, 4].map(() => withLock(path, work, { pollMs: 5 })));
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it("is released when the work fails", async () => {
    const failure = withLock(path, () => Promise.reject(new Error("no luck")));
    await expect(failure).rejects.toThrow("no luck");
    expect(existsSync(path)).toBe(false);
  });

  it("may be one of many that a process holds", async () => {
    const warned = vi.spyOn(process, "emitWarning");
    const paths = Array.from({ length: 12 }, (_, index) => `${path}-${index}`);
    await Promise.all(paths.map((one) => withLock(one, () => sleep(20))));
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });

  it("that was taken over meanwhile is not released", async () => {
    await withLock(path, async () => {
      leaveLock({ pid: process.ppid }, 0);
    });
    expect(existsSync(path)).toBe(true);
  });

  it("that another call took over meanwhile is not released", async () => {
    const inside: (() => void)[] = [];
    const work = (): Promise<void> => new Promise((resolve) => inside.push(resolve));
    const entered = async (count: number): Promise<void> => {
      while (inside.length < count) await sleep(5);
    };
    const first = withLock(path, work);
    await entered(1);
    leaveLock({ pid: deadPid }, 0); // as it looks to others
    const second = withLock(path, work);
    await entered(2);
    inside[0]?.();
    await first;
    expect(existsSync(path)).toBe(true);
    inside[1]?.();
    await second;
    expect(existsSync(path)).toBe(false);
  });

  it("is left to another process that takes it over at the same moment", async () => {
    leaveLock({ pid: deadPid }, 0);
    const kill = vi.spyOn(process, "kill").mockImplementationOnce(() => {
      rmSync(path, { recursive: true });
      leaveLock({ pid: process.ppid }, 0);
      throw new Error("There is no such process");
    });
    const entered = withLock(path, () => Promise.resolve("in"), { pollMs: 10 });
    kill.mockRestore();
    expect(await Promise.race([entered, sleep(200, "out")])).toBe("out");
    leaveLock({ pid: deadPid }, 0);
    expect(await entered).toBe("in");
  });

  it.each([
    ["its holder is dead", { pid: deadPid }, 0],
    ["its holder, on another machine, is silent", { pid: 1, host: "elsewhere" }, 600],
    ["its holder, in another container of this machine's name, is silent", { pid: 1, host: hostname() }, 600],
    ["its holder was killed before it wrote its name", null, 60],
  ])("is taken over when %s", async (_what, owner, secondsAgo) => {
    leaveLock(owner, secondsAgo);
    expect(await withLock(path, () => Promise.resolve("in"))).toBe("in");
  });

  describe("of a holder that lives and is silent", () => {
    let now = 0;
    beforeEach(() => {
      now = 0;
      vi.spyOn(performance, "now").mockImplementation(() => now);
    });
    afterEach(() => vi.restoreAllMocks());

    /** Enters once it is let in; `polls` tells for each look at the lock whether it was silent. */
    function wait(): { entered: Promise<string>; polls: boolean[] } {
      const polls: boolean[] = [];
      const options = { pollMs: 5, onPoll: (isSilent: boolean) => void polls.push(isSilent) };
      return { entered: withLock(path, () => Promise.resolve("in"), options), polls };
    }
    const isOut = async (entered: Promise<string>): Promise<boolean> =>
      (await Promise.race([entered, sleep(100, "out")])) === "out";

    it("is taken over after one more heartbeat, as its pid may be another program's", async () => {
      leaveLock({ pid: process.ppid }, 600);
      const { entered, polls } = wait();
      expect(await isOut(entered)).toBe(true);
      now = 4_900;
      expect(await isOut(entered)).toBe(true);
      expect(new Set(polls)).toEqual(new Set([true]));
      now = 7_000;
      expect(await entered).toBe("in");
    });

    it("is waited for when it touches it again, as after a sleep of the machine", async () => {
      leaveLock({ pid: process.ppid }, 600);
      const { entered, polls } = wait();
      expect(await isOut(entered)).toBe(true);
      leaveLock({ pid: process.ppid }, 0);
      now = 60_000;
      expect(await isOut(entered)).toBe(true);
      expect(polls.at(-1)).toBe(false);
      leaveLock({ pid: process.ppid }, 300); // silent again: the time begins anew
      expect(await isOut(entered)).toBe(true);
      now = 67_000;
      expect(await entered).toBe("in");
    });
  });

  it.each([
    ["its holder is alive", { pid: process.ppid }],
    ["its holder is on another machine", { pid: deadPid, host: "elsewhere" }],
    ["its holder is in another container of this machine's name", { pid: deadPid, host: hostname() }],
    ["its holder has not written its name yet", null],
  ])("is waited for when %s", async (_what, owner) => {
    leaveLock(owner, 0);
    let waited = false;
    const entered = withLock(path, () => Promise.resolve("in"), { pollMs: 10, onWait: () => (waited = true) });
    expect(await Promise.race([entered, sleep(200, "out")])).toBe("out");
    expect(waited).toBe(true);
    leaveLock({ pid: deadPid }, 0);
    expect(await entered).toBe("in");
  });

  it.runIf(process.platform === "linux" && process.getuid?.() === 0)(
    "of a process that lives is not taken by one with pids of its own, for which it is not there",
    async () => {
      const script = `
        import { isHeld } from ${JSON.stringify(join(packageDir, "scripts", "lib", "lock.mjs"))};
        console.log(process.pid, isHeld(${JSON.stringify(path)}));`;
      const command = ["--pid", "--fork", "--mount-proc", process.execPath, "--input-type=module", "-e", script];
      const said = await withLock(path, () => promisify(execFile)("unshare", command));
      expect(said.stdout).toBe("1 true\n");
    },
  );
});
