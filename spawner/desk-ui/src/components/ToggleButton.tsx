import type { ReactNode } from 'react';

interface ToggleButtonProps {
  readonly pressed: boolean;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

/** One of a group of buttons of which one is pressed. */
export function ToggleButton({ pressed, onClick, children }: ToggleButtonProps) {
  return (
    <button
      type="button"
      className={`btn btn-outline-secondary${pressed ? ' active' : ''}`}
      aria-pressed={pressed}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
