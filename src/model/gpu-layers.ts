import { LlamaError } from "../errors.js";
import { gigabytes } from "./gigabytes.js";
import type { ReadPlannedContext } from "./load-options.js";
import type { ContextPlan } from "./memory-estimate.js";
import { gpuMicroBatchSize, smallContext } from "./memory-estimate.js";
import type { ModelShape } from "./model-shape.js";
import type { Division, Placement } from "./placement.js";
import { contextNeeds, weightNeeds } from "./placement.js";

/** How many layers of a model are on GPUs. */
export interface GpuFit {
  /** One more than the model has for all and the output. */
  gpuLayers: number;
  /** The devices that they could go to. */
  devices: readonly string[];
  /** Bytes of weights that are on them. */
  weightBytes: number;
  /** A sentence that says how many they are and why. */
  reason: string;
}

/** As many layers as fit with their part of the context's cache, together with what computing takes. */
export function fitGpuLayers(shape: ModelShape, plan: ContextPlan, division: Division): GpuFit {
  const { devices: memories } = division;
  const devices = memories.map(({ name }) => name);
  if (devices.length === 0)
    return {
      gpuLayers: 0,
      devices,
      weightBytes: 0,
      reason: "No layers are on a GPU: there is none that this build uses, or may use",
    };
  const all = shape.layerCount + 1;
  const gpuLayers = largestNumber(shape, plan, division);
  const names = devices.join(", ");
  const free = gigabytes(sum(memories.map(({ freeBytes }) => freeBytes)));
  const context = `a context of ${plan.contextSize} tokens`;
  if (gpuLayers === 0) {
    const reason = `No layers are on ${names}: not one fits with ${context} in the ${free} that are free there`;
    return { gpuLayers, devices, weightBytes: 0, reason };
  }
  const placement = { ...division, gpuLayers };
  const needs = deviceNeeds(shape, plan, placement);
  const taken = gigabytes(sum(needs));
  const how =
    gpuLayers === all
      ? `All ${all} layers are on ${names}`
      : `${gpuLayers} of ${all} layers are on ${names}, the most that fit`;
  const reason = `${how}: with ${context} they take ${taken} of ${free} that are free there`;
  return { gpuLayers, devices, weightBytes: sum(weightNeeds(shape, placement).devices), reason };
}

/**
 * Refuses layers that do not fit their devices together with a small context.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY`, with the number that would fit
 */
function checkGpuLayers(shape: ModelShape, placement: Placement, path: string): void {
  const plan = smallContext(shape);
  const needs = deviceNeeds(shape, plan, placement);
  const tight = placement.devices.findIndex(({ freeBytes }, index) => (needs[index] ?? 0) > freeBytes);
  const device = placement.devices[tight];
  if (device === undefined) return;
  const fittingGpuLayers = largestNumber(shape, plan, placement);
  const neededBytes = needs[tight] ?? 0;
  throw new LlamaError(
    "INSUFFICIENT_MEMORY",
    `${path} with ${placement.gpuLayers} layers on GPUs takes ${gigabytes(neededBytes)} of ${device.name} with a small ` +
      `context, but ${gigabytes(device.freeBytes)} are free there; a gpuLayers of ${fittingGpuLayers} would fit`,
    { details: { path, neededBytes, availableBytes: device.freeBytes, device: device.name, fittingGpuLayers } },
  );
}

/**
 * Where a model's layers go: as many as are asked for, or as many as fit with a context.
 *
 * @throws LlamaError `INSUFFICIENT_MEMORY` where what is asked for does not fit
 */
export function placeLayers(
  shape: ModelShape,
  wanted: number | "auto" | "all",
  division: Division,
  path: string,
  plan: ContextPlan = usualContext(shape),
): { placement: Placement; fit: GpuFit } {
  const { devices } = division;
  if (wanted === "auto" || devices.length === 0) {
    const fit = fitGpuLayers(shape, plan, division);
    return { placement: { ...division, gpuLayers: fit.gpuLayers }, fit };
  }
  const all = shape.layerCount + 1;
  const gpuLayers = wanted === "all" ? all : Math.min(all, wanted);
  const placement = { ...division, gpuLayers };
  checkGpuLayers(shape, placement, path);
  const reason = `${gpuLayers} of ${all} layers are on GPUs, as asked for`;
  const weightBytes = sum(weightNeeds(shape, placement).devices);
  return { placement, fit: { gpuLayers, devices: devices.map(({ name }) => name), weightBytes, reason } };
}

/** The context that GPU layers are planned for: the usual one where nobody says which it will be. */
export function usualContext({ contextLength }: ModelShape, planned: Partial<ReadPlannedContext> = {}): ContextPlan {
  const { contextSize = "auto", kvType = "auto", sequences = 4 } = planned;
  const { k, v } = kvType === "auto" ? ({ k: "f16", v: "f16" } as const) : kvType;
  return {
    contextSize: contextSize === "auto" ? Math.min(4096, contextLength || 4096) : contextSize,
    kvTypeK: k,
    kvTypeV: v,
    sequences,
    microBatchSize: gpuMicroBatchSize,
    flashAttention: "auto",
  };
}

function largestNumber(shape: ModelShape, plan: ContextPlan, division: Division): number {
  for (let gpuLayers = shape.layerCount + 1; gpuLayers > 0; gpuLayers--) {
    const needs = deviceNeeds(shape, plan, { ...division, gpuLayers });
    if (division.devices.every(({ freeBytes }, index) => (needs[index] ?? 0) <= freeBytes)) return gpuLayers;
  }
  return 0;
}

/** Of weights and a context, on each device. */
function deviceNeeds(shape: ModelShape, plan: ContextPlan, placement: Placement): number[] {
  const context = contextNeeds(shape, plan, placement).devices;
  return weightNeeds(shape, placement).devices.map((bytes, index) => bytes + (context[index] ?? 0));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
