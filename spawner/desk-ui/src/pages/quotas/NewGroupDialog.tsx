/** Creates a group at the Hub. */
import { useId, useState } from 'react';
import { errorMessage } from '../../api/client';
import { useChangeGroup } from '../../api/queries';
import { Dialog, DialogActions } from '../../components/Dialog';
import { useNotify } from '../../components/Toasts';
import { t } from '../../strings';

interface NewGroupDialogProps {
  readonly onCreated: (name: string) => void;
  readonly onClose: () => void;
}

export function NewGroupDialog({ onCreated, onClose }: NewGroupDialogProps) {
  const id = useId();
  const notify = useNotify();
  const change = useChangeGroup();
  const [name, setName] = useState('');
  const wanted = name.trim();
  return (
    <Dialog
      title={t.groups.newTitle}
      onClose={onClose}
      footer={
        <DialogActions
          label={change.isPending ? t.working : t.groups.createAction}
          disabled={change.isPending || wanted === ''}
          form={`${id}-form`}
          onClose={onClose}
        />
      }
    >
      <form
        id={`${id}-form`}
        onSubmit={event => {
          event.preventDefault();
          if (wanted === '') return;
          change.mutate(
            { kind: 'create', group: wanted },
            {
              onSuccess: () => {
                notify(t.groups.created(wanted));
                onCreated(wanted);
              }
            }
          );
        }}
      >
        <label className="form-label" htmlFor={id}>
          {t.groups.name}
        </label>
        <input
          id={id}
          data-first
          className="form-control"
          autoComplete="off"
          maxLength={255}
          value={name}
          onChange={event => setName(event.target.value)}
        />
      </form>
      {change.error != null && (
        <div className="alert alert-danger mt-3 mb-0" role="alert">
          {errorMessage(change.error)}
        </div>
      )}
    </Dialog>
  );
}
