import type { ReactElement, ReactNode } from 'react';

import type { Level } from '../messages/format';
import type { IStateMessage } from '../messages/state';
import { Quote } from './message';

const SHAPES: Record<Level, string> = {
  normal: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-1 6h2v5H7V7Zm0-3h2v2H7V4Z',
  notice: 'M8 1 .5 14.5h15L8 1ZM7.2 6h1.6v4.5H7.2V6Zm0 5.5h1.6v1.6H7.2v-1.6Z',
  alarm:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3 8.9L9.9 11 8 9.1 6.1 11 5 9.9 6.9 8 5 6.1 6.1 5 8 6.9 9.9 5 11 6.1 9.1 8l1.9 1.9Z'
};
const GOOD = 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM7 11.2 3.9 8.1 5 7l2 2 4-4 1.1 1.1L7 11.2Z';

/** The icon of a level. The text next to it says the same. */
export function Sign(props: { level: Level | 'good' }): ReactElement {
  return (
    <svg className="jp-GPUDock-sign" data-level={props.level} viewBox="0 0 16 16" aria-hidden>
      <path fillRule="evenodd" d={props.level === 'good' ? GOOD : SHAPES[props.level]} />
    </svg>
  );
}

/** A problem: what it is, why, and what to do about it. */
export function Notice(props: {
  message: IStateMessage;
  level: Level;
  children?: ReactNode;
}): ReactElement {
  const { message, level } = props;
  return (
    <div
      className="jp-GPUDock-notice"
      data-level={level}
      role={level === 'alarm' ? 'alert' : 'status'}
    >
      <Sign level={level} />
      <div>
        <strong>{message.title}</strong>
        <p>{message.reason}</p>
        <Quote text={message.quote} />
        <p>{message.advice}</p>
        {props.children}
      </div>
    </div>
  );
}
