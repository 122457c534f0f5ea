// A package registry of tarballs in a folder, for installs whose network is cut: npm asks it as it would ask the real one.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

/**
 * What npm's metadata say of one version; fields of package.json that installs look at.
 * @typedef {Record<string, unknown> & { name: string, version: string }} Manifest
 *
 * @typedef {object} Supply
 * @property {Manifest} manifest
 * @property {string | null} tarball file in the folder; null for packages of other systems, which are never fetched
 * @property {string} [integrity]
 *
 * @typedef {object} Registry
 * @property {string} url
 * @property {() => number} takeBytes the bytes of tarballs sent since it was last asked
 * @property {() => Promise<void>} close
 */

/**
 * @param {string} folder
 * @param {readonly Supply[]} supplies
 * @returns {Promise<Registry>}
 */
export async function serveSupplies(folder, supplies) {
  let sent = 0;
  let url = "";
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname).slice(1);
    const supply = supplies.find(({ tarball }) => tarball !== null && path === `-/${tarball}`);
    if (supply?.tarball) {
      const file = join(folder, supply.tarball);
      sent += statSync(file).size;
      createReadStream(file).pipe(response);
      return;
    }
    const versions = supplies.filter(({ manifest }) => manifest.name === path);
    response.statusCode = versions.length > 0 ? 200 : 404;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(versions.length > 0 ? describe(path, versions, url) : { error: "Not found" }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected the registry to listen on a port");
  url = `http://127.0.0.1:${address.port}/`;
  return {
    url,
    takeBytes: () => {
      const bytes = sent;
      sent = 0;
      return bytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * @param {string} name
 * @param {readonly Supply[]} supplies
 * @param {string} url
 */
function describe(name, supplies, url) {
  const versions = supplies.map(({ manifest, tarball, integrity }) => {
    const dist = { tarball: `${url}-/${tarball ?? "none"}`, ...(integrity === undefined ? {} : { integrity }) };
    return [manifest.version, { ...manifest, _id: `${name}@${manifest.version}`, dist }];
  });
  // The last in the list is what an install without a version gets.
  return { name, "dist-tags": { latest: supplies.at(-1)?.manifest.version }, versions: Object.fromEntries(versions) };
}
