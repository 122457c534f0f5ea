// The programs that are compared.

/**
 * @typedef {"ours" | "llama-bench" | "llama-server" | "node-llama-cpp" | "fugood"} Family
 *
 * @typedef {object} Program
 * @property {string} id
 * @property {Family} family the folder of its side of the workloads, and its name on the command line
 * @property {string} label
 * @property {number | null} threads null: what the program takes by itself
 */

/** @type {Family[]} */
export const FAMILIES = ["ours", "llama-bench", "llama-server", "node-llama-cpp", "fugood"];

/** @type {Record<Family, string>} */
const LABELS = {
  ours: "llama-native",
  "llama-bench": "llama.cpp bench",
  "llama-server": "llama.cpp server",
  "node-llama-cpp": "node-llama-cpp",
  fugood: "@fugood/llama.node",
};

/**
 * llama.cpp's own tools get the number of cores, as their own default counts otherwise on some machines. node-llama-cpp
 * is slow with its default where there are few cores, so that it is measured with other numbers of threads as well.
 * @param {readonly Family[]} families
 * @param {number} cores
 * @param {{ variants: boolean }} options with node-llama-cpp's other numbers of threads
 * @returns {Program[]}
 */
export function programsOf(families, cores, { variants }) {
  return families.flatMap((family) => {
    const isTool = family === "llama-bench" || family === "llama-server";
    const program = { id: family, family, label: LABELS[family], threads: isTool ? cores : null };
    if (family !== "node-llama-cpp" || !variants) return [program];
    const counts = [...new Set([1, Math.ceil(cores / 2), cores])];
    const others = counts.map((threads) => ({
      id: `${family}-t${threads}`,
      family,
      label: `${LABELS[family]}, ${threads} ${threads === 1 ? "thread" : "threads"}`,
      threads,
    }));
    return [program, ...others];
  });
}
