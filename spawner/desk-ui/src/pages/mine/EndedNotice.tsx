/** Shows that a session ends, and has ended, as its user wanted. */
import type { Session } from '../../api/types';
import { Icon } from '../../components/Status';
import { t } from '../../strings';

export function EndedNotice({
  session,
  onClose
}: {
  /** The session as long as it is live. */
  readonly session: Session | undefined;
  readonly onClose: () => void;
}) {
  const text =
    session === undefined ? t.mine.ended : session.state === 'stopping' ? t.mine.ending : null;
  // The same element throughout, so that screen readers read each change.
  return (
    <div role="status" className={text === null ? '' : 'alert alert-success d-flex gap-3'}>
      {text !== null && (
        <>
          <span className="me-auto">
            <Icon name={session === undefined ? 'circle-check' : 'spinner'} /> {text}
          </span>
          <button type="button" className="btn-close" aria-label={t.close} onClick={onClose} />
        </>
      )}
    </div>
  );
}
