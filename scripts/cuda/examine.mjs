// What the library must do in a situation, beside what it does.

/**
 * @typedef {import("./situations.mjs").Situation} Situation
 * @typedef {import("./runs.mjs").Runner} Runner
 * @typedef {import("./runs.mjs").Run} Run
 * @typedef {import("./runs.mjs").Order} Order
 * @typedef {{ text: string, lookMilliseconds: number, peakBytes: number }} Reference of the CPU's addon alone
 *
 * @typedef {object} Examined
 * @property {string} situation
 * @property {string} reason
 * @property {string} advice
 * @property {number} lookMilliseconds
 * @property {number} peakBytes
 * @property {string[]} problems
 */

/**
 * @param {Runner} runner
 * @param {Situation} situation
 * @param {Order} order
 * @param {Reference} reference
 * @returns {Promise<Examined>}
 */
export async function examine(runner, situation, order, reference) {
  const auto = await runner.answer(situation, order);
  const found = auto.outcome !== null && "passedOver" in auto.outcome ? auto.outcome : null;
  const passed = found?.passedOver.find(({ backend }) => backend === "cuda");
  const { reason = "none", advice = "none" } = passed ?? {};
  const problems = [
    ...judgeFallback("auto", auto, reference),
    ...(reason.startsWith(situation.reason) ? [] : [`auto: the reason is: ${reason}`]),
    ...(advice.startsWith(situation.advice) ? [] : [`auto: the advice is: ${advice}`]),
    ...judgeFallback("in a worker", await runner.answer(situation, { ...order, inWorker: true }), reference),
    ...judgeRefusal("the option", await runner.answer(situation, { ...order, gpu: "cuda" }), reason),
    ...judgeRefusal("LLAMA_NATIVE_GPU", await runner.answer(situation, order, { LLAMA_NATIVE_GPU: "cuda" }), reason),
    ...judgeDoctor("doctor", await runner.command(situation, ["doctor"]), `cuda: ${reason}; ${advice}`),
    ...judgeDoctor("doctor --json", await runner.command(situation, ["doctor", "--json"]), JSON.stringify(reason)),
  ];
  const { lookMilliseconds = 0, peakBytes = 0 } = found ?? {};
  return { situation: situation.name, reason, advice, lookMilliseconds, peakBytes, problems };
}

/** @param {string} what @param {Run} run @param {Reference} reference */
function judgeFallback(what, { end, outcome, words }, { text }) {
  if (outcome === null || !("text" in outcome))
    return [`${what}: ended with ${end}: ${JSON.stringify(outcome)} ${words}`];
  return [
    ...judgeEnd(what, end, words),
    ...(outcome.backend === "cpu" ? [] : [`${what}: the addon in use is ${outcome.backend}`]),
    ...(outcome.text === text ? [] : [`${what}: it says something else than the CPU alone: ${outcome.text}`]),
  ];
}

/** @param {string} what @param {Run} run @param {string} reason */
function judgeRefusal(what, { end, outcome, words }, reason) {
  const isTyped = outcome !== null && "code" in outcome && outcome.code === "BACKEND_UNAVAILABLE";
  if (!isTyped || !outcome.message.startsWith(`The backend cuda cannot be used: ${reason}`))
    return [`${what}: asked for cuda, it ended with ${end}: ${JSON.stringify(outcome)} ${words}`];
  return judgeEnd(what, end, words);
}

/** @param {string} what @param {import("../lib/run.mjs").RunResult} result @param {string} expected */
function judgeDoctor(what, { code, signal, output }, expected) {
  return code === 0 && output.includes(expected) ? [] : [`${what}: ended with ${signal ?? code}:\n${output}`];
}

/** @param {string} what @param {Run["end"]} end @param {string} words */
function judgeEnd(what, end, words) {
  return end === 0 && words === "" ? [] : [`${what}: the process ended with ${end} and said: ${words}`];
}
