import type { OutputFilter } from "./content-filter.js";
import type { AnswerEnd, InferenceEvent } from "./events.js";

/** Applies a deployment's filter to the answers of one request. */
export class EventFilter {
  readonly #make: () => OutputFilter;
  readonly #answers = new Map<number, { filter: OutputFilter; blocked: boolean }>();
  /** Ends an answer that was blocked, which goes on in the engine. */
  readonly #stop: (choice: number) => void;

  constructor(make: () => OutputFilter, stop: (choice: number) => void) {
    this.#make = make;
    this.#stop = stop;
  }

  async apply(events: readonly InferenceEvent[]): Promise<InferenceEvent[]> {
    const passed: InferenceEvent[] = [];
    for (const event of events) passed.push(...(await this.#applyOne(event)));
    return passed;
  }

  async #applyOne(event: InferenceEvent): Promise<InferenceEvent[]> {
    const { choice } = event;
    const answer = this.#answerOf(choice);
    if (event.type === "end") {
      if (answer.blocked) return [blockedEnd(event)];
      const rest = await answer.filter("", true);
      return rest === null ? [blockedEnd(event)] : [...textEvents(choice, rest), event];
    }
    if (answer.blocked) return [];
    const text = event.type === "text" ? event.text : event.arguments;
    const passed = await answer.filter(text, false);
    if (passed === null) {
      answer.blocked = true;
      this.#stop(choice);
      return [];
    }
    // The arguments of a call are JSON: they pass as they are or, where the filter would change them, not at all.
    if (event.type === "tool") return passed === text ? [event] : [];
    return textEvents(choice, passed);
  }

  #answerOf(choice: number): { filter: OutputFilter; blocked: boolean } {
    const known = this.#answers.get(choice);
    if (known !== undefined) return known;
    const created = { filter: this.#make(), blocked: false };
    this.#answers.set(choice, created);
    return created;
  }
}

function textEvents(choice: number, text: string): InferenceEvent[] {
  return text === "" ? [] : [{ type: "text", choice, text }];
}

function blockedEnd(event: InferenceEvent & AnswerEnd): InferenceEvent {
  return { ...event, type: "end", finish: "content_filter" };
}
