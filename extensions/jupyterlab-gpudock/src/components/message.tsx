import type { ReactElement } from 'react';

import type { IMessage } from '../messages/message';

/** A translated text, followed by what a program reported. */
export function Message(props: IMessage & { className?: string }): ReactElement {
  const { text, quote, className } = props;
  return (
    <p className={`jp-GPUDock-message ${className ?? ''}`}>
      {text}
      <Quote text={quote} />
    </p>
  );
}

/** What a program reported, verbatim. It is marked as English for screen readers. */
export function Quote({ text }: { text: string | undefined }): ReactElement | null {
  return text ? (
    <>
      {' '}
      <samp className="jp-GPUDock-quote" lang="en">
        {text}
      </samp>
    </>
  ) : null;
}
