// Text of any length, the same every time. Each word is one token of both Mistral's and SmolLM2's vocabulary, so that
// a text has as many tokens as words, wherever it is cut.

const WORDS =
  `the of and to in is was for that on with as by at from his it an were are which this also be had first one
  their its new after but who not they have her she two been other when there all into time during years more most only
  over some city world made used where would school between many both such while may then state people known later three
  part work well number under against system second early however him since until including company group same these
  being about house life team high season through name year before each old book great music family day university up
  game film so found local church born left four small national long large best area end still around back water line
  set south north west east government law history power home point land war public king country`.split(/\s+/);

/**
 * @param {number} count
 * @param {number} seed texts of different seeds below 100 differ from the first word on
 * @returns {string[]}
 */
export function words(count, seed) {
  const chosen = [];
  let state = seed + 1;
  let index = seed;
  while (chosen.length < count) {
    chosen.push(WORDS[index % WORDS.length]);
    // A linear congruential generator (Numerical Recipes'), whose high bits are good enough.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    index = state >>> 16;
  }
  return chosen;
}

/** @param {number} bytes @param {number} seed */
export function textOfBytes(bytes, seed) {
  return words(Math.ceil(bytes / 2), seed)
    .join(" ")
    .slice(0, bytes);
}
