/** The user's ended sessions, and why each ended. */
import { useState } from 'react';
import { usePastSessions } from '../../api/queries';
import { EndReason } from '../../components/EndReason';
import { ErrorAlert } from '../../components/Status';
import { Pager } from '../../components/Pager';
import { dateTime, duration } from '../../lib/format';
import { whole } from '../../lib/numbers';
import { t } from '../../strings';
import { serverName } from './names';

const ROWS = 10;

export function PastSessions({ user }: { readonly user: string }) {
  const [offset, setOffset] = useState(0);
  const past = usePastSessions(user, offset, ROWS);
  if (past.isPending) return null;
  if (past.isLoadingError) {
    return (
      <div className="mt-4">
        <ErrorAlert error={past.error} onRetry={() => void past.refetch()} />
      </div>
    );
  }
  if (past.data.total === 0) return null;
  return (
    <section className="mt-4" aria-labelledby="gd-past">
      <h2 className="fs-5" id="gd-past">
        {t.mine.past}
      </h2>
      <div className="table-responsive" tabIndex={0}>
        <table className="table table-sm">
          <thead>
            <tr>
              <th scope="col">{t.mine.pastStart}</th>
              <th scope="col">{t.mine.pastServer}</th>
              <th scope="col" className="text-end">
                {t.mine.pastGPUs}
              </th>
              <th scope="col">{t.mine.pastLength}</th>
              <th scope="col">{t.mine.pastEnd}</th>
            </tr>
          </thead>
          <tbody>
            {past.data.leases.map(session => (
              <tr key={session.id}>
                <td className="text-nowrap">{dateTime(session.granted_at)}</td>
                <td>{serverName(session.server)}</td>
                <td className="text-end">{whole(session.gpus.length)}</td>
                <td className="text-nowrap">
                  {session.ended_at !== null && duration(session.ended_at - session.granted_at)}
                </td>
                <td>
                  <EndReason text={session.end_text} endedAt={session.ended_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pager
        offset={offset}
        limit={ROWS}
        total={past.data.total}
        label={t.mine.past}
        onMove={setOffset}
      />
    </section>
  );
}
