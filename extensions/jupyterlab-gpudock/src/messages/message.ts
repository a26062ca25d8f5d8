/** A translated text, and after it what torch, Python or the driver reported, verbatim. */
export interface IMessage {
  readonly text: string;
  readonly quote: string;
}

/** Return a message that consists of translated text only. */
export function message(text: string): IMessage {
  return { text, quote: '' };
}
