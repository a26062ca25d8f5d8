/** Who waits, for what, and until when; others' names only for those who may see them. */
import { useState } from 'react';
import { sentence } from '../../api/client';
import { useQueue, useWithdraw } from '../../api/queries';
import type { Waiting } from '../../api/types';
import { Confirm } from '../../components/Dialog';
import { Failure } from '../../components/Notes';
import { useSay } from '../../components/Toasts';
import { useDesk } from '../../config';
import { useNow } from '../../lib/clock';
import { near } from '../../lib/format';
import { t } from '../../strings';

export function QueueTable() {
  const desk = useDesk();
  const say = useSay();
  const now = useNow(10);
  const queue = useQueue();
  const withdraw = useWithdraw();
  const [asking, setAsking] = useState<Waiting | null>(null);
  const nameOf = (entry: Waiting) => (entry.user === desk.user ? t.lab.you : entry.user);
  const entries = queue.data?.queue ?? [];
  return (
    <section aria-labelledby="gd-queue">
      <h2 className="fs-5" id="gd-queue">
        {t.lab.queue}
      </h2>
      {queue.isLoadingError && <Failure error={queue.error} onRetry={() => void queue.refetch()} />}
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
                <th scope="col">{t.lab.queueWish}</th>
                <th scope="col">{t.lab.queueReason}</th>
                <th scope="col">{t.lab.queueStart}</th>
                {desk.manage && (
                  <th scope="col">
                    <span className="visually-hidden">{t.mine.withdraw}</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {entries.map(entry => (
                <tr key={entry.id}>
                  <td>{entry.position}</td>
                  <td className="text-break">
                    {nameOf(entry)}
                    {entry.server && `, «${entry.server}»`}
                  </td>
                  <td>{t.mine.wish(entry.gpus, entry.gpu_model, entry.share === 'shared')}</td>
                  <td>{entry.reason}</td>
                  <td className="text-nowrap">
                    {entry.expected_start === null ? '—' : near(entry.expected_start, now)}
                  </td>
                  {desk.manage && (
                    <td className="text-end">
                      <button
                        type="button"
                        className="btn btn-sm btn-outline-danger"
                        aria-label={`${t.mine.withdraw}: ${nameOf(entry)}`}
                        onClick={() => setAsking(entry)}
                      >
                        {t.mine.withdraw}
                      </button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asking && (
        <Confirm
          title={t.lab.withdrawTitle(nameOf(asking))}
          action={t.mine.withdrawAction}
          busy={withdraw.isPending}
          problem={withdraw.isError ? sentence(withdraw.error) : null}
          onConfirm={() =>
            withdraw.mutate(asking.id, {
              onSuccess: () => {
                setAsking(null);
                say(t.mine.withdrawn);
              }
            })
          }
          onClose={() => setAsking(null)}
        >
          <p className="mb-0">{t.lab.withdrawText(nameOf(asking))}</p>
        </Confirm>
      )}
    </section>
  );
}
