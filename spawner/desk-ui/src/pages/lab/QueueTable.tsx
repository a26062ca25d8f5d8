/** The requests in the queue that the user may see, and the number of all. */
import { useState } from 'react';
import { useCancelRequest, useQueue } from '../../api/queries';
import type { WaitingRequest } from '../../api/types';
import { ConfirmDialog } from '../../components/Dialog';
import { ErrorAlert } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { useDesk } from '../../config';
import { useNow } from '../../lib/clock';
import { shortDateTime } from '../../lib/format';
import { t } from '../../strings';

export function QueueTable() {
  const desk = useDesk();
  const notify = useNotify();
  const now = useNow(10);
  const queue = useQueue();
  const cancel = useCancelRequest();
  const [confirming, setConfirming] = useState<WaitingRequest | null>(null);
  const nameOf = (entry: WaitingRequest) => (entry.user === desk.user ? t.lab.you : entry.user);
  const entries = queue.data?.queue ?? [];
  return (
    <section aria-labelledby="gd-queue">
      <h2 className="fs-5" id="gd-queue">
        {t.lab.queue}
      </h2>
      {queue.isLoadingError && (
        <ErrorAlert error={queue.error} onRetry={() => void queue.refetch()} />
      )}
      {queue.data && entries.length === 0 && (
        <p className="text-body-secondary">
          {queue.data.length === 0 ? t.lab.queueNone : t.lab.queueOthers(queue.data.length)}
        </p>
      )}
      {entries.length > 0 && (
        <div className="table-responsive" tabIndex={0}>
          <table className="table table-sm align-middle">
            <thead>
              <tr>
                <th scope="col">#</th>
                <th scope="col">{t.lab.queueUser}</th>
                <th scope="col">{t.lab.queueRequest}</th>
                <th scope="col">{t.lab.queueReason}</th>
                <th scope="col">{t.lab.queueStart}</th>
                {desk.manage && (
                  <th scope="col">
                    <span className="visually-hidden">{t.lab.cancelAction}</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {entries.map(entry => (
                <tr key={entry.id}>
                  <td>{entry.position}</td>
                  <td className="text-break">
                    {entry.server === ''
                      ? nameOf(entry)
                      : t.lab.userAndServer(nameOf(entry), entry.server)}
                  </td>
                  <td>{t.mine.request(entry.gpus, entry.gpu_model, entry.share === 'shared')}</td>
                  <td>{entry.reason}</td>
                  <td className="text-nowrap">
                    {entry.expected_start === null ? '—' : shortDateTime(entry.expected_start, now)}
                  </td>
                  {desk.manage && (
                    <td className="text-end">
                      <button
                        type="button"
                        className="btn btn-sm btn-outline-danger"
                        aria-label={t.lab.cancelLabel(nameOf(entry))}
                        onClick={() => setConfirming(entry)}
                      >
                        {t.lab.cancelAction}
                      </button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {confirming && (
        <ConfirmDialog
          title={t.lab.cancelTitle(nameOf(confirming))}
          action={t.lab.cancelAction}
          mutation={cancel}
          onConfirm={() =>
            cancel.mutate(confirming.id, {
              onSuccess: () => {
                setConfirming(null);
                notify(t.mine.canceled);
              }
            })
          }
          onClose={() => setConfirming(null)}
        >
          {t.lab.cancelText(nameOf(confirming))}
        </ConfirmDialog>
      )}
    </section>
  );
}
