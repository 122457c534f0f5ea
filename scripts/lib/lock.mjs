// A lock between processes: a directory, because creating one is atomic on every file system.
//
// `<path>/owner.json` tells who holds it. The holder touches that file while it works, so that a lock whose holder was
// killed, or whose pid now belongs to another program, is known to be stale and is taken over. A holder that slept with the
// machine lives, and gets the time to touch it again.

import { randomUUID } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const HEARTBEAT_MS = 5_000;
/** A holder that has not touched its lock for so long is taken for dead, even if its pid is in use. */
const STALE_MS = 120_000;
/** What a holder whose process lives gets from the moment that it looks dead: a heartbeat, and a second to wake up. */
const SECOND_LOOK_MS = HEARTBEAT_MS + 1_000;
/** The time between creating the directory and writing the owner file; longer than that means a kill in between. */
const OWNERLESS_MS = 10_000;
/** Windows refuses to rename a folder while anybody has a file in it open, which waiters and scanners do for a moment. */
const REFUSED_BY_WINDOWS = ["EPERM", "EACCES", "EBUSY"];
const RENAME_ATTEMPTS = 10;
const RENAME_PAUSE_MS = 20;

/**
 * @typedef {object} LockOptions
 * @property {(pid: number | null) => void} [onWait] called once when the lock is held by another process
 * @property {((isSilent: boolean) => void | Promise<void>) | undefined} [onPoll] called each time it is found to be held,
 * with whether its holder gives no sign of life, so that it may be taken over soon; waiting ends with what it fails with
 * @property {number} [pollMs]
 * @property {AbortSignal | undefined} [signal] stops waiting; its reason is thrown
 */

/**
 * Waits for the lock, runs `work` while holding it and releases it.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {LockOptions} [options]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, options = {}) {
  const release = await acquire(path, options);
  try {
    return await work();
  } finally {
    release();
  }
}

/** Whether somebody holds it; one that a killed process left behind is held by nobody. @param {string} path */
export function isHeld(path) {
  return existsSync(path) && stateOf(path, unseen()) !== "stale";
}

/**
 * @param {string} path
 * @param {LockOptions} options
 */
async function acquire(path, options) {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  const silence = unseen();
  for (;;) {
    const id = tryCreate(path);
    if (id !== null) return hold(path, id);
    const state = stateOf(path, silence);
    if (state === "stale") {
      discardStale(path, silence);
      continue;
    }
    if (!told) options.onWait?.(ownerOf(path)?.pid ?? null);
    told = true;
    await options.onPoll?.(state === "silent");
    await sleep(options.pollMs ?? 500, undefined, { signal: options.signal }).catch(() =>
      options.signal?.throwIfAborted(),
    );
    options.signal?.throwIfAborted();
  }
}

/** The id of the new holder, or null where another one was first. @param {string} path */
function tryCreate(path) {
  if (!createFolder(path)) return null;
  const id = randomUUID();
  writeFileSync(ownerFile(path), JSON.stringify({ pid: process.pid, host: pidSpace(), id }));
  return id;
}

/** False where it is there already. @param {string} path @param {boolean} [mayRepeat] */
function createFolder(path, mayRepeat = true) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return false;
    // On Windows a folder that was removed goes when the last who has something in it open lets go of it.
    if (process.platform !== "win32" || code !== "EPERM") throw error;
    if (isThere(path)) return false;
    if (!mayRepeat) throw error;
    return createFolder(path, false);
  }
}

/** @param {string} path @param {string} id */
function hold(path, id) {
  const heartbeat = setInterval(() => {
    if (ownerOf(path)?.id !== id) return; // taken over while the process slept for long
    const now = new Date();
    try {
      utimesSync(ownerFile(path), now, now);
    } catch {
      // a disk that fails, or somebody who took it over this moment: the work itself will tell
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    clearInterval(heartbeat);
    releases.delete(release);
    if (releases.size === 0) process.off("exit", releaseAll);
    if (ownerOf(path)?.id !== id) return;
    try {
      discard(path);
    } catch {
      // What was done under the lock is done. Nobody touches it any more, so that others take it over after a while.
    }
  };
  if (releases.size === 0) process.on("exit", releaseAll);
  releases.add(release);
  return release;
}

/** Of the locks that are held. They share a listener, as Node warns of more than ten. @type {Set<() => void>} */
const releases = new Set();

function releaseAll() {
  for (const release of releases) release();
}

/**
 * Names the processes among which a pid means one. Containers may have a machine's name and pids of their own, and share folders.
 */
export function pidSpace() {
  if (process.platform !== "linux") return hostname();
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${hostname()} ${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // where /proc is not to be read
  }
}

/**
 * What a waiter has seen of a holder that lives and does not touch its lock.
 * @typedef {object} Silence
 * @property {number} touchedMs when it touched it last
 * @property {number} since when the waiter saw that first, by its own clock, which stands still while the machine sleeps
 */

/** @returns {Silence} before the first look */
function unseen() {
  return { touchedMs: NaN, since: 0 };
}

/**
 * @param {string} path
 * @param {Silence} silence
 * @returns {"held" | "silent" | "stale"}
 */
function stateOf(path, silence) {
  const owner = ownerOf(path);
  const touchedMs = modifiedMs(owner === null ? path : ownerFile(path));
  if (touchedMs === null) return "held"; // or released meanwhile
  const age = Date.now() - touchedMs;
  if (owner === null) return age > OWNERLESS_MS ? "stale" : "held";
  const isOurHost = owner.host === pidSpace();
  if (isOurHost && !isAlive(owner.pid)) return "stale";
  if (age <= STALE_MS) return "held";
  return isOurHost && !lasts(silence, touchedMs) ? "silent" : "stale";
}

/** @param {Silence} silence @param {number} touchedMs */
function lasts(silence, touchedMs) {
  const now = performance.now();
  if (silence.touchedMs !== touchedMs) Object.assign(silence, { touchedMs, since: now });
  return now - silence.since >= SECOND_LOOK_MS;
}

/**
 * Renaming first makes sure that of two processes that find a stale lock only one removes it.
 * @param {string} path
 * @param {Silence} silence
 */
function discardStale(path, silence) {
  const grave = moveAway(path);
  if (grave === null) return;
  try {
    // Another process may have taken it over since it was looked at.
    if (stateOf(grave, silence) !== "stale") return renameSync(grave, path);
  } catch {
    // a third one was faster
  }
  bury(grave);
}

/** @param {string} path */
function discard(path) {
  const grave = moveAway(path);
  if (grave !== null) bury(grave);
}

/** Where it lies then, or null where it was gone. @param {string} path */
function moveAway(path) {
  const grave = `${path}.${process.pid}.${Date.now()}`;
  for (let attempt = 1; ; attempt++) {
    try {
      renameSync(path, grave);
      return grave;
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT") return null;
      const mayPass = process.platform === "win32" && REFUSED_BY_WINDOWS.includes(code);
      if (!mayPass || attempt === RENAME_ATTEMPTS) throw error;
      pause(RENAME_PAUSE_MS);
    }
  }
}

/** A lock that was moved away is nobody's, so that what cannot be removed of it is in nobody's way. @param {string} grave */
function bury(grave) {
  try {
    rmSync(grave, { recursive: true, force: true, maxRetries: 5, retryDelay: RENAME_PAUSE_MS });
  } catch {
    // a scanner has it open for longer than that
  }
}

/** Without a promise, as a lock is released when the process exits too. @param {number} milliseconds */
function pause(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Also where Windows refuses to tell, since it is about to go. @param {string} path */
function isThere(path) {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code ?? "";
}

/**
 * @param {string} path
 * @returns {{ pid: number, host: string, id?: unknown } | null}
 */
function ownerOf(path) {
  try {
    const owner = JSON.parse(readFileSync(ownerFile(path), "utf8"));
    return typeof owner?.pid === "number" && typeof owner.host === "string" ? owner : null;
  } catch {
    return null; // not written yet, or half written when its writer was killed
  }
}

/** @param {string} path */
function modifiedMs(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return null;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** @param {string} path */
function ownerFile(path) {
  return join(path, "owner.json");
}
