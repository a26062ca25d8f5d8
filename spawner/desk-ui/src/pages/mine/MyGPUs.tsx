/** The user's own sessions, requests in the queue, and limits. */
import { useEffect } from 'react';
import { useEffective, useMySessions, useQueue } from '../../api/queries';
import { Page, StaleNotice } from '../../components/Page';
import { EmptyState, Icon, QueryStatus } from '../../components/Status';
import { useDesk } from '../../config';
import { t } from '../../strings';
import { EndedNotice } from './EndedNotice';
import { useEnded } from './ending';
import { EndWarnings } from './EndWarnings';
import { Limits } from './Limits';
import { NamedServers } from './NamedServers';
import { PastSessions } from './PastSessions';
import { SessionCard } from './SessionCard';
import { WaitingCard } from './WaitingCard';

export function MyGPUs() {
  const desk = useDesk();
  const sessions = useMySessions();
  const queue = useQueue();
  const effective = useEffective(desk.user);
  const mine = queue.data?.queue.filter(entry => entry.user === desk.user) ?? [];
  const live = sessions.data ?? [];
  const busy = new Set([...live, ...mine].map(({ server }) => server));
  const [ended, setEnded] = useEnded();
  useWaitingTitle(mine.length > 0 ? Math.min(...mine.map(({ position }) => position)) : null);
  return (
    <Page
      title={t.mine.title}
      actions={
        !busy.has('') && (
          <a className="btn btn-primary" href={`${desk.hub}spawn`}>
            <Icon name="play" /> {t.mine.start}
          </a>
        )
      }
    >
      <StaleNotice query={sessions} />
      {ended !== null && sessions.isSuccess && (
        <EndedNotice session={live.find(({ id }) => id === ended)} onClose={() => setEnded(null)} />
      )}
      <EndWarnings sessions={live} />
      <div className="row g-4">
        <div className="col-lg-8">
          {mine.length > 0 && (
            <section aria-labelledby="gd-waiting" className="mb-4">
              <h2 className="fs-5" id="gd-waiting">
                {t.mine.waiting}
              </h2>
              <div className="d-grid gap-3">
                {mine.map(entry => (
                  <WaitingCard key={entry.id} entry={entry} />
                ))}
              </div>
            </section>
          )}
          <section aria-labelledby="gd-sessions">
            <h2 className="fs-5" id="gd-sessions">
              {t.mine.sessions}
            </h2>
            <QueryStatus query={sessions} loading={t.mine.loading} polled />
            {sessions.data?.length === 0 && (
              <div className="card">
                <EmptyState icon="microchip" title={t.mine.none}>
                  {mine.length === 0 && (
                    <>
                      <p className="text-body-secondary">{t.mine.noneHelp}</p>
                      <a className="btn btn-primary" href={`${desk.hub}spawn`}>
                        {t.mine.start}
                      </a>
                    </>
                  )}
                </EmptyState>
              </div>
            )}
            <div className="d-grid gap-3">
              {live.map(session => (
                <SessionCard key={session.id} session={session} onEnding={setEnded} />
              ))}
            </div>
          </section>
          <NamedServers busy={busy} />
        </div>
        <section className="col-lg-4" aria-labelledby="gd-limits">
          <h2 className="fs-5" id="gd-limits">
            {t.mine.limits}
          </h2>
          <QueryStatus query={effective} loading={t.loading} polled />
          {effective.data && <Limits effective={effective.data} />}
        </section>
      </div>
      <PastSessions user={desk.user} />
    </Page>
  );
}

/** Show the best position of the user's requests in the title of the tab. */
function useWaitingTitle(position: number | null) {
  useEffect(() => {
    const usual = document.title;
    if (position === null) return;
    document.title = t.mine.waitingTitle(position, usual);
    return () => {
      document.title = usual;
    };
  }, [position]);
}
