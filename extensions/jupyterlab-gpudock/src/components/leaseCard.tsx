import type { ReactElement } from 'react';

import { formatTimeLeft, type IDisplayValue, plain } from '../messages/format';
import { endReason, formatHours, leaseErrorMessage, leaseStateMessage } from '../messages/lease';
import type { ILease } from '../model/contract';
import type { ILeaseView } from '../model/lease';
import type { IActions } from './actions';
import { useDisplay } from './display';
import { Button, Card } from './elements';
import { Value } from './metric';

const NOTICE_MS = 60 * 60_000;
const ALARM_MS = 15 * 60_000;

/** How long this server keeps its GPU, and the actions to change that. */
export function LeaseCard(props: {
  view: ILeaseView;
  /** This page's clock, in milliseconds. */
  now: number;
  actions: IActions;
}): ReactElement | null {
  const { view, actions } = props;
  const { lease, pending, error } = view;
  const { trans } = useDisplay();
  if (!lease?.managed || lease.lease === null) {
    return null;
  }
  const state = leaseStateMessage(lease, trans);
  return (
    <Card
      title={trans.__('Session')}
      header={
        lease.desk && (
          <a href={lease.desk} target="_blank" rel="noreferrer">
            {trans.__('All GPUs…')}
          </a>
        )
      }
    >
      {state && (
        <p className="jp-GPUDock-hint" role="status">
          {state}
        </p>
      )}
      {(lease.state === 'ok' || lease.state === 'stale') && (
        <Limits lease={lease} now={props.now + view.clockOffsetMs} />
      )}
      {error && (
        <p className="jp-GPUDock-hint" role="alert">
          {leaseErrorMessage(error, trans)}
        </p>
      )}
      <div className="jp-GPUDock-buttons">
        {lease.can_extend && (
          <Button disabled={pending !== null} onClick={actions.extendLease}>
            {pending === 'extend' ? trans.__('Extending…') : trans.__('Extend')}
          </Button>
        )}
        <Button disabled={pending !== null} onClick={actions.releaseLease}>
          {pending === 'release' ? trans.__('Stopping…') : trans.__('Stop server…')}
        </Button>
      </div>
    </Card>
  );
}

function Limits(props: {
  lease: ILease;
  /** The server's clock, in milliseconds. */
  now: number;
}): ReactElement {
  const { lease, now } = props;
  const { trans } = useDisplay();
  const timeLeft = (endsAt: number): IDisplayValue => {
    const ms = 1000 * endsAt - now;
    const level = ms <= ALARM_MS ? 'alarm' : ms <= NOTICE_MS ? 'notice' : 'normal';
    const word = level === 'normal' ? '' : trans.__('ends soon');
    return { text: formatTimeLeft(ms, trans), level, word };
  };
  const reason = endReason(lease, trans);
  return (
    <>
      <Value
        label={trans.__('Time left')}
        value={lease.ends_at === null ? plain(trans.__('no limit')) : timeLeft(lease.ends_at)}
      />
      {lease.ends_at !== null && reason && (
        <p className="jp-GPUDock-hint">{trans.__('Reason: %1', reason)}</p>
      )}
      <Value label={trans.__('GPU-hours left')} value={plain(formatHours(lease, trans))} />
      {lease.idle.limit_minutes !== null && (
        <Value
          label={trans.__('Idle timeout')}
          value={
            lease.idle.ends_at === null
              ? plain(trans.__('in use'))
              : { ...timeLeft(lease.idle.ends_at), word: trans.__('then the session ends') }
          }
        />
      )}
      {lease.queue_length !== null && (
        <Value
          label={trans.__('Waiting for a GPU')}
          value={plain(
            lease.queue_length === 0
              ? trans.__('nobody')
              : trans._n('%1 person', '%1 people', lease.queue_length)
          )}
        />
      )}
    </>
  );
}
