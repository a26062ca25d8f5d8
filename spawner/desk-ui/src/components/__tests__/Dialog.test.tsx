import { fireEvent, render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { ConfirmDialog, Dialog } from '../Dialog';

it('closes when it is canceled, but not when a file input in it is', () => {
  const onClose = vi.fn();
  render(
    <Dialog title="Import" onClose={onClose}>
      <input type="file" aria-label="File" />
    </Dialog>
  );
  fireEvent(screen.getByLabelText('File'), new Event('cancel', { bubbles: true }));
  expect(onClose).not.toHaveBeenCalled();
  fireEvent(screen.getByRole('dialog'), new Event('cancel', { cancelable: true }));
  expect(onClose).toHaveBeenCalledOnce();
});

it('focuses the safe choice first', () => {
  render(
    <ConfirmDialog
      title="Release?"
      action="Release"
      onConfirm={() => undefined}
      onClose={() => undefined}
    >
      text
    </ConfirmDialog>
  );
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Keep it' }));
});

it('returns the focus to the element that opened it', () => {
  const page = (open: boolean) => (
    <>
      <button type="button">Open</button>
      {open && (
        <Dialog title="Details" onClose={() => undefined}>
          text
        </Dialog>
      )}
    </>
  );
  const { rerender } = render(page(false));
  const button = screen.getByRole('button', { name: 'Open' });
  button.focus();
  rerender(page(true));
  screen.getByRole('button', { name: 'Close' }).focus();
  rerender(page(false));
  expect(document.activeElement).toBe(button);
});
