import type { ReactElement } from 'react';

import type { IActions } from './actions';
import { type Level, formatTimeLeft } from '../messages/format';
import type { ILeaseView } from '../model/lease';
import { formatHours, endReason, leaseErrorMessage, leaseStateMessage } from '../messages/lease';
import { useDisplay } from './display';
import { Value } from './metric';

const NOTICE_MS = 60 * 60_000;
const ALARM_MS = 15 * 60_000;

/** How long this server keeps its GPU, and what can be done about that. */
export function LeaseCard(props: {
  view: ILeaseView;
  /** This page's clock, in milliseconds. */
  now: number;
  actions: IActions;
}): ReactElement | null {
  const { view, actions } = props;
  const { lease } = view;
  const { trans } = useDisplay();
  if (!lease?.managed || lease.lease === null) {
    return null;
  }
  const problem = leaseStateMessage(lease, trans);
  const isKnown = lease.state === 'ok' || lease.state === 'stale';
  return (
    <section className="jp-GPUDock-card" aria-label={trans.__('Session')}>
      <header className="jp-GPUDock-card-header">
        <h3>{trans.__('Session')}</h3>
        {lease.desk && (
          <a href={lease.desk} target="_blank" rel="noreferrer">
            {trans.__('All GPUs…')}
          </a>
        )}
      </header>
      {problem && (
        <p className="jp-GPUDock-hint" role="status">
          {problem}
        </p>
      )}
      {isKnown && <Ends lease={lease} now={props.now + view.clockOffsetMs} />}
      {view.refusal && (
        <p className="jp-GPUDock-hint" role="alert">
          {leaseErrorMessage(view.refusal, trans)}
        </p>
      )}
      <div className="jp-GPUDock-buttons">
        {lease.can_extend && (
          <button
            type="button"
            className="jp-GPUDock-button"
            disabled={view.pending !== null}
            onClick={actions.extendLease}
          >
            {view.pending === 'extend' ? trans.__('Extending…') : trans.__('Extend')}
          </button>
        )}
        <button
          type="button"
          className="jp-GPUDock-button"
          disabled={view.pending !== null}
          onClick={actions.releaseLease}
        >
          {view.pending === 'release' ? trans.__('Giving back…') : trans.__('Give the GPU back…')}
        </button>
      </div>
    </section>
  );
}

function Ends(props: {
  lease: NonNullable<ILeaseView['lease']>;
  /** The server's clock, in milliseconds. */
  now: number;
}): ReactElement {
  const { lease, now } = props;
  const { trans } = useDisplay();
  const left = (at: number): { text: string; level: Level; word: string } => {
    const ms = 1000 * at - now;
    const level = ms <= ALARM_MS ? 'alarm' : ms <= NOTICE_MS ? 'notice' : 'normal';
    const word = level === 'normal' ? '' : trans.__('ends soon');
    return { text: formatTimeLeft(ms, trans), level, word };
  };
  const plain = (text: string): { text: string; level: Level; word: string } => ({
    text,
    level: 'normal',
    word: ''
  });
  const why = endReason(lease, trans);
  return (
    <>
      <Value
        label={trans.__('Time left')}
        shown={lease.ends_at === null ? plain(trans.__('no limit')) : left(lease.ends_at)}
      />
      {lease.ends_at !== null && why && (
        <p className="jp-GPUDock-hint">{trans.__('Reason: %1', why)}</p>
      )}
      <Value label={trans.__('GPU-hours left')} shown={plain(formatHours(lease, trans))} />
      {lease.idle.limit_minutes !== null && (
        <Value
          label={trans.__('If it stays unused')}
          shown={
            lease.idle.ends_at === null
              ? plain(trans.__('in use'))
              : { ...left(lease.idle.ends_at), word: trans.__('until it ends') }
          }
        />
      )}
      {lease.queue_length !== null && (
        <Value
          label={trans.__('Waiting for a GPU')}
          shown={plain(
            lease.queue_length === 0
              ? trans.__('nobody')
              : trans._n('%1 person', '%1 people', lease.queue_length)
          )}
        />
      )}
    </>
  );
}
