/** Shows both versions when someone else saved first, for the user to choose from. */
import { useId, useState } from 'react';
import { useStored } from '../../api/queries';
import type { QuotaDocument, StoredQuota } from '../../api/types';
import { Dialog, DialogActions } from '../../components/Dialog';
import { QueryStatus } from '../../components/Status';
import { ToggleButton } from '../../components/ToggleButton';
import { dateTime } from '../../lib/format';
import { t } from '../../strings';
import { describe, fieldName } from './Changes';
import {
  differences,
  keyOf,
  rebase,
  unstage,
  type Difference,
  type Staged,
  type StagedChange
} from './staging';
import { displayName } from './values';

interface ConflictDialogProps {
  readonly staged: Staged;
  /** Called with the chosen changes, based on the documents that are stored now. */
  readonly onResolved: (staged: Staged) => void;
  readonly onClose: () => void;
}

type Choice = 'yours' | 'theirs';

export function ConflictDialog({ staged, onResolved, onClose }: ConflictDialogProps) {
  const changes = [...staged.values()];
  const stored = useStored(changes);
  const [choices, setChoices] = useState<ReadonlyMap<string, Choice>>(new Map());
  const conflicts = (stored.data ?? []).flatMap((now, index) => {
    const change = changes[index];
    return change !== undefined && change.revision !== now.revision ? [{ change, now }] : [];
  });
  const resolve = () => {
    let next = staged;
    for (const { change, now } of conflicts) {
      const key = keyOf(change);
      next = unstage(next, key);
      if (choices.get(key) === 'theirs') continue;
      const merged = rebase(change, now);
      if (differences(merged.level, merged.base, merged.document).length > 0) {
        next = new Map(next).set(key, merged);
      }
    }
    onResolved(next);
  };
  return (
    <Dialog
      title={t.quotas.conflictTitle}
      shape="wide"
      onClose={onClose}
      footer={
        <DialogActions
          label={t.quotas.conflictAction}
          disabled={!stored.isSuccess}
          onAct={resolve}
          onClose={onClose}
        />
      }
    >
      <p>{t.quotas.conflictText}</p>
      <QueryStatus query={stored} loading={t.loading} />
      {conflicts.map(({ change, now }) => {
        const key = keyOf(change);
        return (
          <Conflict
            key={key}
            change={change}
            now={now}
            choice={choices.get(key) ?? 'yours'}
            onChoose={choice => setChoices(all => new Map(all).set(key, choice))}
          />
        );
      })}
    </Dialog>
  );
}

interface ConflictProps {
  readonly change: StagedChange;
  readonly now: StoredQuota;
  readonly choice: Choice;
  readonly onChoose: (choice: Choice) => void;
}

function Conflict({ change, now, choice, onChoose }: ConflictProps) {
  const id = useId();
  const fields = new Set(
    [
      ...differences(change.level, change.base, change.document),
      ...differences(change.level, change.base, now.document)
    ].map(({ field }) => field)
  );
  const merged = rebase(change, now).document;
  const value = (document: QuotaDocument | null, field: Difference['field']) =>
    describe(field, document?.[field]);
  const name = displayName(change);
  return (
    <section className="mb-4" aria-labelledby={id}>
      <h3 className="fs-6" id={id}>
        {name}{' '}
        {now.updated_by !== null && now.updated_at !== null && (
          <span className="text-body-secondary fw-normal">
            {t.quotas.conflictBy(now.updated_by, dateTime(now.updated_at))}
          </span>
        )}
      </h3>
      <div className="table-responsive">
        <table className="table table-sm mb-2">
          <thead>
            <tr>
              <th scope="col">{t.quotas.limit}</th>
              <th scope="col">{t.quotas.before}</th>
              <th scope="col">{t.quotas.theirs}</th>
              <th scope="col">{t.quotas.yours}</th>
            </tr>
          </thead>
          <tbody>
            {[...fields].map(field => (
              <tr key={field}>
                <th scope="row" className="fw-normal">
                  {fieldName(field)}
                </th>
                <td>{value(change.base, field)}</td>
                <td className={choice === 'theirs' ? 'fw-bold' : ''}>
                  {value(now.document, field)}
                </td>
                <td className={choice === 'yours' ? 'fw-bold' : ''}>{value(merged, field)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="btn-group btn-group-sm" role="group" aria-label={name}>
        {(['yours', 'theirs'] as const).map(option => (
          <ToggleButton key={option} pressed={choice === option} onClick={() => onChoose(option)}>
            {option === 'yours' ? t.quotas.useYours : t.quotas.useTheirs}
          </ToggleButton>
        ))}
      </div>
    </section>
  );
}
