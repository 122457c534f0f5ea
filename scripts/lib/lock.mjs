// A lock between processes: a directory, because creating one is atomic on every file system.
//
// `<path>/owner.json` tells who holds it. The holder touches that file while it works, so that a lock whose holder was
// killed, or whose pid now belongs to another program, is known to be stale and is taken over.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const HEARTBEAT_MS = 5_000;
/** A holder that has not touched its lock for so long is taken for dead, even if its pid is in use. */
const STALE_MS = 120_000;
/** The time between creating the directory and writing the owner file; longer than that means a kill in between. */
const OWNERLESS_MS = 10_000;

/**
 * @typedef {object} LockOptions
 * @property {(pid: number | null) => void} [onWait] called once when the lock is held by another process
 * @property {(() => void) | undefined} [onPoll] called each time it is found to be held
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

/**
 * @param {string} path
 * @param {LockOptions} options
 */
async function acquire(path, options) {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  for (;;) {
    if (tryCreate(path)) return hold(path);
    if (isStale(path)) {
      discard(path);
      continue;
    }
    if (!told) options.onWait?.(ownerOf(path)?.pid ?? null);
    told = true;
    options.onPoll?.();
    await sleep(options.pollMs ?? 500, undefined, { signal: options.signal }).catch(() =>
      options.signal?.throwIfAborted(),
    );
    options.signal?.throwIfAborted();
  }
}

/** @param {string} path */
function tryCreate(path) {
  try {
    mkdirSync(path);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
  writeFileSync(ownerFile(path), JSON.stringify({ pid: process.pid, host: hostname() }));
  return true;
}

/** @param {string} path */
function hold(path) {
  const heartbeat = setInterval(() => {
    if (!isOurs(path)) return;
    const now = new Date();
    utimesSync(ownerFile(path), now, now);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    clearInterval(heartbeat);
    process.off("exit", release);
    if (isOurs(path)) discard(path);
  };
  process.on("exit", release);
  return release;
}

/** A process that slept for long may find that its lock was taken over. @param {string} path */
function isOurs(path) {
  const owner = ownerOf(path);
  return owner?.pid === process.pid && owner.host === hostname();
}

/** @param {string} path */
function isStale(path) {
  const owner = ownerOf(path);
  const age = ageMs(owner === null ? path : ownerFile(path));
  if (age === null) return false; // released meanwhile
  if (owner === null) return age > OWNERLESS_MS;
  if (age > STALE_MS) return true;
  return owner.host === hostname() && !isAlive(owner.pid);
}

/** Renaming first makes sure that of two processes that find a stale lock only one removes it. @param {string} path */
function discard(path) {
  const grave = `${path}.${process.pid}.${Date.now()}`;
  try {
    renameSync(path, grave);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return;
    throw error;
  }
  rmSync(grave, { recursive: true, force: true });
}

/**
 * @param {string} path
 * @returns {{ pid: number, host: string } | null}
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
function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
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
