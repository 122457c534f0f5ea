// The order of the runs: program by program, round by round (A B A B), so that a machine that gets slower or faster
// while the benchmark runs does so for all of them.

/**
 * @template Program
 * @param {readonly Program[]} programs
 * @param {{ rounds: number, warmUp: boolean }} options `warmUp`: one more round comes first and does not count
 * @returns {{ program: Program, round: number, counts: boolean }[]} rounds that count begin with 1, the other one is 0
 */
export function interleave(programs, { rounds, warmUp }) {
  const order = [];
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const program of programs) order.push({ program, round, counts: round > 0 });
  }
  return order;
}
