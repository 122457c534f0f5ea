// The main figures as an SVG: a panel of bars for each case that names one.

import { outcomeOf } from "./results.mjs";

const WIDTH = 960;
const COLUMNS = 2;
const MARGIN = 24;
const ROW = 22;
const HEADING = 34;
const PANEL_GAP = 18;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 70;

const OWN = "#2563eb";
const OTHER = "#94a3b8";
const TEXT = "#0f172a";
const FAINT = "#64748b";

/**
 * @typedef {object} Panel
 * @property {string} title
 * @property {"more" | "less"} better
 * @property {number} digits
 * @property {{ label: string, value: number | null, own: boolean, outcome?: string }[]} bars a null value has an outcome
 */

/**
 * @param {import("./results.mjs").Results} results
 * @returns {Panel[]}
 */
export function panelsOf({ workloads }) {
  return Object.values(workloads).flatMap(({ metrics, cases }) => {
    const main = Object.entries(metrics)[0];
    if (main === undefined) return [];
    const [key, { better, digits }] = main;
    return Object.values(cases).flatMap(({ chart, programs }) => {
      if (chart === undefined) return [];
      const bars = Object.entries(programs).flatMap(([id, program]) => {
        // What a program does not tell is no failure of it.
        if ("metrics" in program && !(key in program.metrics)) return [];
        const own = { label: program.label, own: id === "ours" };
        const isFailure = "error" in program;
        return isFailure
          ? { ...own, value: null, outcome: outcomeOf(program) }
          : { ...own, value: program.metrics[key].median };
      });
      return [{ title: chart, better, digits, bars }];
    });
  });
}

/**
 * @param {readonly Panel[]} panels
 * @param {string} subtitle
 */
export function drawChart(panels, subtitle) {
  const panelWidth = (WIDTH - MARGIN * 2 - PANEL_GAP * (COLUMNS - 1)) / COLUMNS;
  const bottoms = new Array(COLUMNS).fill(MARGIN + 40);
  const drawn = panels.map((panel) => {
    const column = bottoms.indexOf(Math.min(...bottoms));
    const top = bottoms[column];
    bottoms[column] += HEADING + panel.bars.length * ROW + PANEL_GAP;
    return drawPanel(panel, MARGIN + column * (panelWidth + PANEL_GAP), top, panelWidth);
  });
  const height = Math.max(...bottoms) + MARGIN - PANEL_GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" rx="8" fill="#ffffff"/>`,
    text(MARGIN, MARGIN + 6, "llama-native side by side", { fill: TEXT, size: 17, weight: 600 }),
    text(MARGIN, MARGIN + 24, subtitle, { fill: FAINT, size: 12 }),
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

/**
 * @param {Panel} panel
 * @param {number} left
 * @param {number} top
 * @param {number} width
 */
function drawPanel({ title, better, digits, bars }, left, top, width) {
  const longest = Math.max(...bars.map(({ value }) => value ?? 0), Number.MIN_VALUE);
  const room = width - LABEL_WIDTH - VALUE_WIDTH;
  const rows = bars.flatMap(({ label, value, own, outcome = "" }, index) => {
    const middle = top + HEADING + index * ROW + ROW / 2;
    const length = value === null ? 0 : Math.max(1, (Math.max(0, value) / longest) * room);
    const start = left + LABEL_WIDTH;
    return [
      text(start - 8, middle + 4, label, { fill: TEXT, anchor: "end", size: 12, weight: own ? 600 : 400 }),
      `<rect x="${start}" y="${middle - 7}" width="${length.toFixed(1)}" height="14" rx="2" fill="${own ? OWN : OTHER}"/>`,
      text(start + length + 6, middle + 4, value === null ? outcome : value.toFixed(digits), {
        fill: FAINT,
        size: 12,
      }),
    ];
  });
  const hint = better === "more" ? "longer is better" : "shorter is better";
  return [
    text(left, top + 18, title, { fill: TEXT, size: 14, weight: 600 }),
    text(left + width, top + 18, hint, { fill: FAINT, size: 11, anchor: "end" }),
    ...rows,
  ].join("\n");
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {{ fill: string, size: number, weight?: number, anchor?: "start" | "end" }} style
 */
function text(x, y, content, { fill, size, weight = 400, anchor = "start" }) {
  const position = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  return `<text ${position} fill="${fill}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}">${escape(content)}</text>`;
}

/** @param {string} content */
function escape(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
