// A network namespace that has loopback alone, in which a part of a proof runs. Linux only, as root.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { serveSupplies } from "./registry.mjs";

export function requireNamespaces() {
  const { status } = spawnSync("unshare", ["-n", "ip", "link", "set", "lo", "up"]);
  if (status === 0) return;
  console.error(
    "The proof cuts the network with `unshare -n` and `ip`, which this machine or user may not do; run it as root.",
  );
  process.exit(1);
}

/**
 * Runs a script that takes its order as a file's path, and leaves what it found in another.
 * @param {string} script
 * @param {string} orderPath
 * @param {string} resultPath
 * @returns {any} what it found
 */
export function runOffline(script, orderPath, resultPath) {
  const line = 'ip link set lo up && exec "$0" "$@"';
  const command = ["-n", "sh", "-c", line, process.execPath, script, orderPath, resultPath];
  const { status } = spawnSync("unshare", command, { stdio: "inherit" });
  if (status !== 0) throw new Error(`The part without network ended with ${status}`);
  return JSON.parse(readFileSync(resultPath, "utf8"));
}

/**
 * What that script begins with: its order, the registry where npm finds the order's tarballs, and where to leave what it found,
 * as often as it wants.
 * @template {{ folder: string, supplies: import("./registry.mjs").Supply[] }} Order
 * @returns {Promise<{ order: Order, registry: import("./registry.mjs").Registry, keep: (found: unknown) => void }>}
 */
export async function beginOffline() {
  const [orderPath = "", resultPath = ""] = process.argv.slice(2);
  /** @type {Order} */
  const order = JSON.parse(readFileSync(orderPath, "utf8"));
  refuseNetwork();
  const registry = await serveSupplies(order.folder, order.supplies);
  return { order, registry, keep: (found) => writeFileSync(resultPath, JSON.stringify(found)) };
}

function refuseNetwork() {
  const outward = Object.entries(networkInterfaces()).filter(([, list]) => list?.some(({ internal }) => !internal));
  if (outward.length === 0) return;
  throw new Error(`Expected no network but loopback, and there is ${outward.map(([name]) => name).join(", ")}`);
}
