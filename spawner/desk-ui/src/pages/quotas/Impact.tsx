/** The impact of quota changes on running sessions and waiting requests. */
import type { QuotaPreview } from '../../api/types';
import { t } from '../../strings';

export function Impact({ preview }: { readonly preview: QuotaPreview }) {
  const { exceeding, refused, startable, held_back, contradictions } = preview;
  const touchesNobody =
    exceeding.length + refused.length + startable.length + held_back.length === 0;
  return (
    <div role="status">
      <Contradictions sentences={contradictions} />
      {touchesNobody && <p className="alert alert-success">{t.quotas.noImpact}</p>}
      <Affected kind="warning" text={t.quotas.exceeding} items={exceeding} />
      <Affected kind="warning" text={t.quotas.refused} items={refused} />
      <Affected kind="warning" text={t.quotas.heldBack} items={held_back} />
      <Affected kind="info" text={t.quotas.startable} items={startable} />
    </div>
  );
}

export function Contradictions({ sentences }: { readonly sentences: readonly string[] }) {
  if (sentences.length === 0) return null;
  return (
    <div className="alert alert-warning">
      <strong>{t.quotas.contradictions(sentences.length)}</strong>
      <ul className="mb-0 mt-1">
        {sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  );
}

function whose(user: string, server: string): string {
  return server === '' ? user : t.lab.userAndServer(user, server);
}

interface AffectedProps {
  readonly kind: 'warning' | 'info';
  readonly text: (number: number) => string;
  readonly items: QuotaPreview['exceeding'];
}

function Affected({ kind, text, items }: AffectedProps) {
  if (items.length === 0) return null;
  return (
    <div className={`alert alert-${kind}`}>
      <strong>{text(items.length)}</strong>
      <details className="mt-1">
        <summary>{t.quotas.affected}</summary>
        <ul className="mb-0 mt-1">
          {items.map(({ user, server, reason }) => (
            <li key={`${user}/${server}`}>
              {whose(user, server)}
              {reason && t.explanation(reason)}
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
