import type { ILabShell } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';
import { expect, test, vi } from 'vitest';

import { followKernel } from '../kernel';
import type { IGPUModel } from '../tokens';

class HandheldSession {
  session: { kernel: { name: string } } | null = null;
  readonly kernelChanged = new Signal<this, void>(this);

  start(name: string): void {
    this.session = { kernel: { name } };
    this.kernelChanged.emit();
  }
}

class HandheldShell {
  currentWidget: { isDisposed: boolean; sessionContext?: HandheldSession } | null = null;
  readonly currentChanged = new Signal<this, void>(this);

  turnTo(sessionContext?: HandheldSession): void {
    this.currentWidget = { isDisposed: false, ...(sessionContext && { sessionContext }) };
    this.currentChanged.emit();
  }
}

test('the kernel of the notebook that is worked in is followed, also when it changes', () => {
  const shell = new HandheldShell();
  const setKernel = vi.fn();
  const told = (): unknown[] => setKernel.mock.calls.flat();
  followKernel(shell as unknown as ILabShell, { setKernel } as unknown as IGPUModel);
  const [first, second] = [new HandheldSession(), new HandheldSession()];
  shell.turnTo(first);
  expect(told()).toEqual([]);
  first.start('python3');
  expect(told()).toEqual(['python3']);
  shell.turnTo();
  expect(told()).toEqual(['python3']);
  second.start('conda-old');
  shell.turnTo(second);
  first.start('python3.13');
  expect(told()).toEqual(['python3', 'conda-old']);
});
