import type { ReactElement } from 'react';

/**
 * Words of the panel, and under them the words of a program, as it said them: those are English in
 * any language, and screen readers are told so.
 */
export function Message(props: { text: string; quote: string; className?: string }): ReactElement {
  const { text, quote, className } = props;
  return (
    <p className={`jp-GPUDock-message ${className ?? ''}`}>
      {text}
      {quote && <Quote words={quote} />}
    </p>
  );
}

/** The words of a program, to be selected and copied. */
export function Quote({ words }: { words: string }): ReactElement {
  return (
    <>
      {' '}
      <samp className="jp-GPUDock-quote" lang="en">
        {words}
      </samp>
    </>
  );
}
