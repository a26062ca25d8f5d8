/** What browsers have and jsdom lacks. */
import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

HTMLDialogElement.prototype.showModal = function show(this: HTMLDialogElement) {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close(this: HTMLDialogElement) {
  this.open = false;
};

// The machine may be slow; what does not come at all still fails.
configure({ asyncUtilTimeout: 10_000 });

afterEach(cleanup);
