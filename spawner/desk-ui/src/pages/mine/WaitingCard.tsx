/** A request in the queue: why it waits, when it may start, and how to leave. */
import { useState } from 'react';
import { useCancelRequest } from '../../api/queries';
import type { WaitingRequest } from '../../api/types';
import { ConfirmDialog } from '../../components/Dialog';
import { Icon } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { useNow } from '../../lib/clock';
import { duration, shortDateTime } from '../../lib/format';
import { t } from '../../strings';
import { serverName } from './names';

export function WaitingCard({ entry }: { readonly entry: WaitingRequest }) {
  const now = useNow();
  const notify = useNotify();
  const cancel = useCancelRequest();
  const [confirming, setConfirming] = useState(false);
  const name = serverName(entry.server);
  const onCancel = () =>
    cancel.mutate(entry.id, {
      onSuccess: () => {
        setConfirming(false);
        notify(t.mine.canceled);
      }
    });
  return (
    <article className="card border-primary" aria-label={name}>
      <div className="card-body">
        <div className="d-flex flex-wrap gap-2 justify-content-between align-items-start">
          <div>
            <h3 className="fs-5 mb-1">{name}</h3>
            <span className="text-body-secondary">
              {t.mine.request(entry.gpus, entry.gpu_model, entry.share === 'shared')}
            </span>
          </div>
          <div className="gd-time">{t.mine.position(entry.position, entry.length)}</div>
        </div>
        <p className="mt-3 mb-1">{entry.reason}</p>
        <p className="text-body-secondary small mb-0">
          {entry.expected_start === null
            ? t.mine.notExpected
            : entry.latest_start === null || entry.latest_start <= entry.expected_start
              ? t.mine.expected(shortDateTime(entry.expected_start, now))
              : t.mine.expectedRange(
                  shortDateTime(entry.expected_start, now),
                  shortDateTime(entry.latest_start, now)
                )}{' '}
          {t.mine.waitingSince(duration(now - entry.created_at))}
        </p>
      </div>
      <div className="card-footer d-flex">
        <button
          type="button"
          className="btn btn-sm btn-outline-danger ms-auto"
          onClick={() => setConfirming(true)}
        >
          <Icon name="xmark" /> {t.mine.cancelAction}
        </button>
      </div>
      {confirming && (
        <ConfirmDialog
          title={t.mine.cancelTitle}
          action={t.mine.cancelAction}
          mutation={cancel}
          onConfirm={onCancel}
          onClose={() => setConfirming(false)}
        >
          {t.mine.cancelText}
        </ConfirmDialog>
      )}
    </article>
  );
}
