import type { FilteredPart, OutputFilter } from "./content-filter.js";
import type { AnswerEnd, CallEvent, InferenceEvent } from "./events.js";
import { CallCollector } from "./events.js";

interface FilteredAnswer {
  /** Of the text that is being read; what comes after a thought or a call is another one. */
  filter: OutputFilter | undefined;
  /** What that text is. */
  part: "text" | "thinking";
  /** Of the call that is being read, which is looked at as a whole. */
  readonly call: CallCollector;
  readonly callEvents: CallEvent[];
  blocked: boolean;
}

/** Applies a deployment's filter to the answers of one request. */
export class EventFilter {
  readonly #make: (part: FilteredPart) => OutputFilter;
  readonly #answers = new Map<number, FilteredAnswer>();
  /** Ends an answer that was blocked, which goes on in the engine. */
  readonly #stop: (choice: number) => void;

  constructor(make: (part: FilteredPart) => OutputFilter, stop: (choice: number) => void) {
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
      const rest = await this.#passText(choice, answer, "", true);
      return [...rest, answer.blocked ? blockedEnd(event) : event];
    }
    const isText = event.type === "text" || event.type === "thinking";
    if (isText && event.type === answer.part) return this.#passText(choice, answer, event.text, false);
    // What was held back of the text before something else comes before that.
    const before = await this.#passText(choice, answer, "", true);
    if (answer.blocked) return before;
    if (!isText) return [...before, ...(await this.#passCall(event, answer))];
    answer.part = event.type;
    return [...before, ...(await this.#passText(choice, answer, event.text, false))];
  }

  async #passText(choice: number, answer: FilteredAnswer, text: string, last: boolean): Promise<InferenceEvent[]> {
    if (answer.blocked || (last && answer.filter === undefined)) return [];
    const filter = (answer.filter ??= this.#make(answer.part));
    if (last) answer.filter = undefined;
    const passed = await filter(text, last);
    if (passed === null) {
      this.#block(choice, answer);
      return [];
    }
    return passed === "" ? [] : [{ type: answer.part, choice, text: passed }];
  }

  /** Arguments are JSON, a text of their own: they pass as they are or, where the filter would change them, not at all. */
  async #passCall(event: CallEvent, answer: FilteredAnswer): Promise<CallEvent[]> {
    answer.callEvents.push(event);
    const call = answer.call.add(event);
    if (call === undefined) return [];
    const events = answer.callEvents.splice(0);
    if ((await this.#make("arguments")(call.arguments, true)) === call.arguments) return events;
    this.#block(event.choice, answer);
    return [];
  }

  #block(choice: number, answer: FilteredAnswer): void {
    answer.blocked = true;
    this.#stop(choice);
  }

  #answerOf(choice: number): FilteredAnswer {
    const known = this.#answers.get(choice);
    if (known !== undefined) return known;
    const created: FilteredAnswer = {
      filter: undefined,
      part: "text",
      call: new CallCollector(),
      callEvents: [],
      blocked: false,
    };
    this.#answers.set(choice, created);
    return created;
  }
}

function blockedEnd(event: InferenceEvent & AnswerEnd): InferenceEvent {
  return { ...event, type: "end", finish: "content_filter" };
}
