/** Short messages about what was done. Screen readers announce them. */
import { createContext, useCallback, useContext, useState, type ReactNode } from 'react';
import { t } from '../strings';

interface Toast {
  readonly id: number;
  readonly text: string;
}

type Notify = (text: string) => void;

const NotifyContext = createContext<Notify>(() => undefined);
const SHOWN_MS = 6000;
const MAX_TOASTS = 3;
let serial = 0;

export function Toasts({ children }: { readonly children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const dismiss = useCallback(
    (id: number) => setToasts(all => all.filter(toast => toast.id !== id)),
    []
  );
  const notify = useCallback<Notify>(
    text => {
      const id = ++serial;
      setToasts(all => [...all.slice(1 - MAX_TOASTS), { id, text }]);
      setTimeout(() => dismiss(id), SHOWN_MS);
    },
    [dismiss]
  );
  return (
    <NotifyContext value={notify}>
      {children}
      <div className="gd-toasts" role="status" aria-live="polite">
        {toasts.map(toast => (
          <div key={toast.id} className="alert alert-success gd-toast">
            <span>{toast.text}</span>
            <button
              type="button"
              className="btn-close"
              aria-label={t.close}
              onClick={() => dismiss(toast.id)}
            />
          </div>
        ))}
      </div>
    </NotifyContext>
  );
}

/** Return the function that shows a message. */
export function useNotify(): Notify {
  return useContext(NotifyContext);
}
