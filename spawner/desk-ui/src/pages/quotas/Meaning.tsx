/** What changes mean for those who run and wait now. */
import type { Preview, PreviewedSession } from '../../api/types';
import { t } from '../../strings';

export function Meaning({ preview }: { readonly preview: Preview }) {
  const { exceeding, refused, startable, held_back } = preview;
  if (exceeding.length + refused.length + startable.length + held_back.length === 0) {
    return (
      <p className="alert alert-success" role="status">
        {t.quotas.harmless}
      </p>
    );
  }
  return (
    <div role="status">
      <Affected kind="warning" text={t.quotas.exceeding} who={exceeding} />
      <Affected kind="warning" text={t.quotas.refused} who={refused} />
      <Affected kind="warning" text={t.quotas.heldBack} who={held_back} />
      <Affected kind="info" text={t.quotas.startable} who={startable} />
    </div>
  );
}

interface AffectedProps {
  readonly kind: 'warning' | 'info';
  readonly text: (number: number) => string;
  readonly who: readonly PreviewedSession[];
}

function Affected({ kind, text, who }: AffectedProps) {
  if (who.length === 0) return null;
  return (
    <div className={`alert alert-${kind}`}>
      <strong>{text(who.length)}</strong>
      <details className="mt-1">
        <summary>{t.quotas.affected}</summary>
        <ul className="mb-0 mt-1">
          {who.map(({ user, server, reason }) => (
            <li key={`${user}/${server}`}>
              {user}
              {server && `, «${server}»`}
              {reason && `: ${reason}`}
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
