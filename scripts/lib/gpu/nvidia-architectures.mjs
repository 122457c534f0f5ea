// The CUDA architecture ("compute capability") of an NVIDIA GPU by its PCI id. NVIDIA gives each chip a range of ids.

/**
 * First id, last id, architecture; a range within another comes before it.
 * @type {readonly (readonly [number, number, string])[]}
 */
const RANGES = [
  [0x1340, 0x13bf, "50"], // GM107, GM108
  [0x13c0, 0x1436, "52"], // GM204, GM206
  [0x15f0, 0x15ff, "60"], // GP100
  [0x1740, 0x177f, "50"], // GM108 mobile, such as MX110 and MX130
  [0x1789, 0x179f, "50"], // GM107 mobile, such as 940MX
  [0x1617, 0x17ff, "52"], // GM204 mobile, GM200
  [0x1b00, 0x1d7f, "61"], // GP102 to GP108
  [0x1d81, 0x1dff, "70"], // GV100
  [0x1e00, 0x1fff, "75"], // TU102 to TU106, TU117
  [0x2080, 0x20ff, "80"], // GA100
  [0x2180, 0x21ff, "75"], // TU116
  [0x2200, 0x22ff, "86"], // GA102
  [0x2300, 0x23ff, "90"], // GH100
  [0x2400, 0x25ff, "86"], // GA103 to GA107
  [0x2600, 0x28ff, "89"], // AD102 to AD107
  [0x2900, 0x29ff, "100"], // GB100
  [0x2b80, 0x2dff, "120"], // GB202, GB203, GB206, GB207
  [0x2f00, 0x2fff, "120"], // GB205
];

/** The toolkits that compile for an architecture: from the first version, up to below the second. */
const TOOLKITS = /** @type {Record<string, [first: string, end: string]>} */ ({
  50: ["6.0", "13.0"],
  52: ["6.5", "13.0"],
  60: ["8.0", "13.0"],
  61: ["8.0", "13.0"],
  70: ["9.0", "13.0"],
  75: ["10.0", "99"],
  80: ["11.0", "99"],
  86: ["11.1", "99"],
  89: ["11.8", "99"],
  90: ["11.8", "99"],
  100: ["12.8", "99"],
  120: ["12.8", "99"],
});

/** @param {number} device @returns {string | null} null for a chip that is newer than this list */
export function nvidiaArchitecture(device) {
  return RANGES.find(([first, last]) => device >= first && device <= last)?.[2] ?? null;
}

/**
 * @param {string} architecture
 * @param {string} toolkit version
 * @returns {string | null} what is wrong, or null
 */
export function toolkitProblem(architecture, toolkit) {
  const [first, end] = TOOLKITS[architecture] ?? ["0", "99"];
  if (compareVersions(toolkit, first) < 0) {
    return `CUDA ${toolkit} cannot compile for this GPU (architecture ${architecture}): CUDA ${first} is the first that can`;
  }
  if (compareVersions(toolkit, end) < 0) return null;
  return `CUDA ${toolkit} compiles no more for this GPU (architecture ${architecture}): take a toolkit before CUDA ${end}`;
}

/** By numbers, part after part. @param {string} a @param {string} b */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
