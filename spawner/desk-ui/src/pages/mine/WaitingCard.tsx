/** A place in the queue: why it waits, when it may start, and the way out. */
import { useState } from 'react';
import { sentence } from '../../api/client';
import { useWithdraw } from '../../api/queries';
import type { Waiting } from '../../api/types';
import { Confirm } from '../../components/Dialog';
import { Icon } from '../../components/Notes';
import { useSay } from '../../components/Toasts';
import { useNow } from '../../lib/clock';
import { duration, near } from '../../lib/format';
import { t } from '../../strings';
import { serverName } from './names';

export function WaitingCard({ entry }: { readonly entry: Waiting }) {
  const now = useNow();
  const say = useSay();
  const withdraw = useWithdraw();
  const [asking, setAsking] = useState(false);
  const name = serverName(entry.server);
  const onWithdraw = () =>
    withdraw.mutate(entry.id, {
      onSuccess: () => {
        setAsking(false);
        say(t.mine.withdrawn);
      }
    });
  return (
    <article className="card border-primary" aria-label={name}>
      <div className="card-body">
        <div className="d-flex flex-wrap gap-2 justify-content-between align-items-start">
          <div>
            <h3 className="fs-5 mb-1">{name}</h3>
            <span className="text-body-secondary">
              {t.mine.wish(entry.gpus, entry.gpu_model, entry.share === 'shared')}
            </span>
          </div>
          <div className="gd-time">{t.mine.place(entry.position, entry.length)}</div>
        </div>
        <p className="mt-3 mb-1">{entry.reason}</p>
        <p className="text-body-secondary small mb-0">
          {entry.expected_start === null
            ? t.mine.notExpected
            : t.mine.expected(near(entry.expected_start, now))}{' '}
          {t.mine.waitingSince(duration(now - entry.created_at))}
        </p>
      </div>
      <div className="card-footer d-flex">
        <button
          type="button"
          className="btn btn-sm btn-outline-danger ms-auto"
          onClick={() => setAsking(true)}
        >
          <Icon name="xmark" /> {t.mine.withdraw}
        </button>
      </div>
      {asking && (
        <Confirm
          title={t.mine.withdrawTitle}
          action={t.mine.withdrawAction}
          busy={withdraw.isPending}
          problem={withdraw.isError ? sentence(withdraw.error) : null}
          onConfirm={onWithdraw}
          onClose={() => setAsking(false)}
        >
          <p className="mb-0">{t.mine.withdrawText}</p>
        </Confirm>
      )}
    </article>
  );
}
