/** Dialogs and drawers on the browser's own <dialog>, which keeps the focus and handles Escape. */
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { errorMessage } from '../api/client';
import { t } from '../strings';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly footer?: ReactNode;
  /** A drawer opens at the side and has the height of the window. */
  readonly shape?: 'dialog' | 'wide' | 'drawer';
}

/** A modal dialog. The element with `data-first` gets the focus, if there is one. */
export function Dialog({ title, onClose, children, footer, shape = 'dialog' }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>('[data-first]')?.focus();
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className={`gd-dialog gd-dialog-${shape}`}
      aria-labelledby={titleId}
      onCancel={event => {
        // A file input also fires "cancel", and the event bubbles.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        onClose();
      }}
    >
      <div className="modal-header gd-dialog-header">
        <h2 className="modal-title fs-5" id={titleId}>
          {title}
        </h2>
        <button type="button" className="btn-close" aria-label={t.close} onClick={onClose} />
      </div>
      <div className="modal-body gd-dialog-body">{children}</div>
      {footer && <div className="modal-footer gd-dialog-footer">{footer}</div>}
    </dialog>
  );
}

interface DialogActionsProps {
  readonly label: string;
  readonly disabled?: boolean;
  /** The form that the action submits, if it is not handled by *onAct*. */
  readonly form?: string;
  readonly onAct?: () => void;
  readonly onClose: () => void;
}

/** The footer of a dialog: cancel, and its only action. */
export function DialogActions({ label, disabled, form, onAct, onClose }: DialogActionsProps) {
  return (
    <>
      <button type="button" className="btn btn-outline-secondary" onClick={onClose}>
        {t.cancel}
      </button>
      <button
        type={form === undefined ? 'button' : 'submit'}
        form={form}
        className="btn btn-primary"
        disabled={disabled}
        onClick={onAct}
      >
        {label}
      </button>
    </>
  );
}

interface ConfirmDialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly action: string;
  /** The state of the confirmed action; none for one that is done at once. */
  readonly mutation?: { readonly isPending: boolean; readonly error: unknown };
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks for confirmation of an action that cannot be undone. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, children, action, mutation, onConfirm, onClose } = props;
  const pending = mutation?.isPending ?? false;
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <button type="button" className="btn btn-outline-secondary" onClick={onClose} data-first>
            {t.keep}
          </button>
          <button type="button" className="btn btn-danger" disabled={pending} onClick={onConfirm}>
            {pending ? t.working : action}
          </button>
        </>
      }
    >
      <p className="mb-0">{children}</p>
      {mutation?.error != null && (
        <div className="alert alert-danger mt-3 mb-0" role="alert">
          {errorMessage(mutation.error)}
        </div>
      )}
    </Dialog>
  );
}
