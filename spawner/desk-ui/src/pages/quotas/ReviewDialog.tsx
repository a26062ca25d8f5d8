/** Shows the staged changes and their impact before they are saved. */
import { ApiError } from '../../api/client';
import { usePreview, useSaveQuotas } from '../../api/queries';
import { Dialog, DialogActions } from '../../components/Dialog';
import { ErrorAlert, Loading } from '../../components/Status';
import { t } from '../../strings';
import { Changes } from './Changes';
import { Impact } from './Impact';
import { keyOf, toChanges, type Staged } from './staging';

interface ReviewDialogProps {
  readonly staged: Staged;
  /** Called with sentences about limits that contradict each other. */
  readonly onSaved: (contradictions: readonly string[]) => void;
  readonly onConflict: () => void;
  readonly onUndo: (key: string) => void;
  readonly onClose: () => void;
}

export function ReviewDialog({ staged, onSaved, onConflict, onUndo, onClose }: ReviewDialogProps) {
  const changes = toChanges(staged);
  const preview = usePreview(changes);
  const save = useSaveQuotas();
  const onSave = () =>
    save.mutate(changes, {
      onSuccess: ({ contradictions }) => onSaved(contradictions),
      onError: error => {
        if (error instanceof ApiError && error.status === 412) onConflict();
      }
    });
  return (
    <Dialog
      title={t.quotas.reviewTitle(staged.size)}
      shape="wide"
      onClose={onClose}
      footer={
        <DialogActions
          label={save.isPending ? t.working : t.quotas.save}
          disabled={preview.isPending || preview.isError || save.isPending}
          onAct={onSave}
          onClose={onClose}
        />
      }
    >
      {preview.isPending && <Loading what={t.quotas.previewing} />}
      {preview.isError && <ErrorAlert error={preview.error} />}
      {preview.data && <Impact preview={preview.data} />}
      {save.isError && <ErrorAlert error={save.error} />}
      <ul className="list-group">
        {[...staged.values()].map(change => (
          <li key={keyOf(change)} className="list-group-item d-flex gap-3 align-items-start">
            <div className="flex-grow-1">
              <Changes
                level={change.level}
                name={change.name}
                before={change.base}
                after={change.document}
              />
            </div>
            {staged.size > 1 && (
              <button
                type="button"
                className="btn btn-sm btn-link"
                aria-label={t.quotas.undoLabel(change.name)}
                onClick={() => onUndo(keyOf(change))}
              >
                {t.quotas.undo}
              </button>
            )}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
