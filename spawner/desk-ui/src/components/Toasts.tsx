/** Short messages on what was done, which screen readers say when they come. */
import { createContext, useCallback, useContext, useState, type ReactNode } from 'react';
import { t } from '../strings';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: 'success' | 'danger';
}

type Say = (text: string, kind?: Toast['kind']) => void;

const SayContext = createContext<Say>(() => undefined);
const SHOWN_MS = 6000;
let serial = 0;

export function Toasts({ children }: { readonly children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const drop = useCallback((id: number) => {
    setToasts(all => all.filter(toast => toast.id !== id));
  }, []);
  const say = useCallback<Say>(
    (text, kind = 'success') => {
      const id = ++serial;
      setToasts(all => [...all.slice(-2), { id, text, kind }]);
      // What went wrong stays until it has been read.
      if (kind === 'success') setTimeout(() => drop(id), SHOWN_MS);
    },
    [drop]
  );
  return (
    <SayContext value={say}>
      {children}
      <div className="gd-toasts" role="status" aria-live="polite">
        {toasts.map(toast => (
          <div key={toast.id} className={`alert alert-${toast.kind} gd-toast`}>
            <span>{toast.text}</span>
            <button
              type="button"
              className="btn-close"
              aria-label={t.close}
              onClick={() => drop(toast.id)}
            />
          </div>
        ))}
      </div>
    </SayContext>
  );
}

/** Returns the function that shows a message. */
export function useSay(): Say {
  return useContext(SayContext);
}
