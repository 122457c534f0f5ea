import type { NativeEvent, NativeEventReceiver } from "../native/contract.js";

/** Takes packets of events apart; `receive` gets them one by one, in order. */
export function eventReceiver(receive: (event: NativeEvent) => void): NativeEventReceiver {
  return (numbers, rare, ...texts) => {
    let at = 1;
    const take = (): number => numbers[at++] ?? 0;
    for (const [index, text] of texts.entries()) {
      const id = take();
      const promptProcessed = take();
      const tokens: number[] = [];
      for (let left = take(); left > 0; left--) tokens.push(take());
      const { logprobs = null, end = null } = rare?.[index] ?? {};
      receive({ id, text, tokens, logprobs, promptProcessed, end });
    }
  };
}
