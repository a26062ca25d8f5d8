import { fireEvent, render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { Confirm, Dialog } from '../Dialog';

it('closes on its own «cancel», and not on that of a file field in it', () => {
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

it('begins at what does no harm', () => {
  render(
    <Confirm
      title="Release?"
      action="Release"
      busy={false}
      onConfirm={() => undefined}
      onClose={() => undefined}
    >
      text
    </Confirm>
  );
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Keep it' }));
});

it('gives the focus back to what opened it', () => {
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
