/** Dialogs and drawers on the browser's own <dialog>: it keeps the focus and closes with Escape. */
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { t } from '../strings';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly footer?: ReactNode;
  /** A drawer comes from the side and is as high as the window. */
  readonly shape?: 'dialog' | 'wide' | 'drawer';
}

export function Dialog({ title, onClose, children, footer, shape = 'dialog' }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>('[data-first]')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className={`gd-dialog gd-dialog-${shape}`}
      aria-labelledby={titleId}
      onCancel={event => {
        // A file field within says «cancel» too, when no file was chosen.
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

interface ActionsProps {
  readonly label: string;
  readonly disabled: boolean;
  readonly onAct: () => void;
  readonly onClose: () => void;
}

/** The footer of a dialog that does one thing, or nothing. */
export function Actions({ label, disabled, onAct, onClose }: ActionsProps) {
  return (
    <>
      <button type="button" className="btn btn-outline-secondary" onClick={onClose}>
        {t.cancel}
      </button>
      <button type="button" className="btn btn-primary" disabled={disabled} onClick={onAct}>
        {label}
      </button>
    </>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly action: string;
  readonly busy: boolean;
  readonly problem?: string | null;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks before something is done that cannot be undone. */
export function Confirm(props: ConfirmProps) {
  const { title, children, action, busy, problem, onConfirm, onClose } = props;
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <button type="button" className="btn btn-outline-secondary" onClick={onClose} data-first>
            {t.keep}
          </button>
          <button type="button" className="btn btn-danger" disabled={busy} onClick={onConfirm}>
            {busy ? t.working : action}
          </button>
        </>
      }
    >
      {children}
      {problem && (
        <div className="alert alert-danger mt-3 mb-0" role="alert">
          {problem}
        </div>
      )}
    </Dialog>
  );
}
