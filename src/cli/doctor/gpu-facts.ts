import type { GpuBackend } from "../../native/backends.js";
import { rebuild } from "../../native/backends.js";
import { importScript } from "../package-facts.js";

/** What an install decides by, of a backend that this system can have; the best comes first. */
export interface GpuDecision {
  readonly backend: GpuBackend;
  /** Whether this machine has a device for it, with its driver. */
  readonly hasDevice: boolean;
  /** Null where it cannot be built here. */
  readonly plan: object | null;
  readonly reason: string;
  readonly advice: string | null;
}

export interface GpuFacts {
  readonly backend: GpuBackend;
  readonly state: string;
  /** Null where it is in use. */
  readonly reason: string | null;
  /** What to do for more speed, or null where nothing is to be done. */
  readonly advice: string | null;
}

interface Decisions {
  decideHere: () => GpuDecision[];
  stateOf: (decision: GpuDecision) => string;
}

/** Whatever an install did or was not allowed to do, the machine is looked at now. */
export async function examineGpus(inUse: string | undefined): Promise<GpuFacts[]> {
  const { decideHere, stateOf } = await importScript<Decisions>("lib/gpu/decisions.mjs");
  return judgeGpus(decideHere(), stateOf, inUse);
}

/** `inUse` is the backend that would run a model now, `wish` what LLAMA_NATIVE_GPU says. */
export function judgeGpus(
  decisions: readonly GpuDecision[],
  stateOf: (decision: GpuDecision) => string,
  inUse: string | undefined,
  wish = process.env["LLAMA_NATIVE_GPU"],
): GpuFacts[] {
  const best = decisions.findIndex(({ backend }) => backend === inUse);
  return decisions.map((decision, index) => {
    const { backend, reason } = decision;
    if (index === best) return { backend, state: "in use", reason: null, advice: null };
    // A lesser backend than that in use gives no more speed.
    const isBetter = best < 0 || index < best;
    return { backend, state: stateOf(decision), reason, advice: isBetter ? adviceOf(decision, wish) : null };
  });
}

function adviceOf({ backend, hasDevice, plan, advice }: GpuDecision, wish: string | undefined): string | null {
  if (advice !== null || !hasDevice || plan === null) return advice;
  const isAsked = wish === undefined || wish === "" || wish === "auto" || wish === backend;
  return `${rebuild(backend)}${isAsked ? "" : `, and do not set LLAMA_NATIVE_GPU=${wish}`}`;
}
