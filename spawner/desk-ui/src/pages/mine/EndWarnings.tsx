/** Warnings about sessions that end within the hour. */
import type { Session } from '../../api/types';
import { useNow } from '../../lib/clock';
import { duration } from '../../lib/format';
import { t } from '../../strings';
import { serverName } from './names';

const MINUTE = 60;

export function EndWarnings({ sessions }: { readonly sessions: readonly Session[] }) {
  const now = useNow();
  const soon = sessions.filter(
    session =>
      session.state !== 'stopping' &&
      session.ends_at !== null &&
      session.ends_at - now <= 60 * MINUTE
  );
  return soon.map(session => (
    <EndWarning key={session.id} session={session} left={(session.ends_at ?? now) - now} />
  ));
}

function EndWarning({ session, left }: { readonly session: Session; readonly left: number }) {
  const name = serverName(session.server);
  const help = session.can_extend ? t.mine.soonHelp : t.mine.soonLast;
  const urgent = left <= 15 * MINUTE;
  // Screen readers read the text again whenever it changes, so it changes only at these steps.
  const step = [5, 15, 60].find(minutes => left <= minutes * MINUTE) ?? 60;
  return (
    <div className={`alert ${urgent ? 'alert-danger' : 'alert-warning'}`}>
      <div aria-hidden="true">
        <strong>{left > 0 ? t.mine.soon(name, duration(left)) : t.mine.overdue(name)}</strong>{' '}
        {left > 0 && `${session.why} ${help}`}
      </div>
      <div className="visually-hidden" role="alert">
        {left > 0
          ? `${t.mine.soon(name, t.mine.soonStep(step))} ${session.why} ${help}`
          : t.mine.overdue(name)}
      </div>
    </div>
  );
}
