import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { IAPI } from '../model/api';
import { ActiveKernel } from '../model/kernel';
import { FakeAPI, FakePage } from './fakes';
import { kernelState } from './samples';

type Reply = { status: 'ok'; data: Record<string, string> } | { status: 'error'; evalue: string };

class FakeKernel {
  status = 'idle';
  readonly requests: Record<string, unknown>[] = [];
  readonly spec: Promise<{ language: string }>;
  reply: () => Promise<Reply> = () =>
    Promise.resolve({ status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } });

  constructor(
    readonly name: string,
    language = 'python'
  ) {
    this.spec = Promise.resolve({ language });
  }

  requestExecute(content: Record<string, unknown>): { done: Promise<unknown>; dispose(): void } {
    this.requests.push(content);
    const done = this.reply().then(gpudock => ({
      content: { status: 'ok', user_expressions: { gpudock } }
    }));
    return { done, dispose: () => undefined };
  }
}

class FakeSession {
  session: { kernel: FakeKernel | null; path: string } | null = null;
  readonly kernelChanged = new Signal<this, void>(this);
  readonly statusChanged = new Signal<this, void>(this);
  readonly disposed = new Signal<this, void>(this);

  constructor(private readonly path: string) {}

  start(kernel: FakeKernel | null): void {
    this.session = { kernel, path: this.path };
    this.kernelChanged.emit();
  }

  setStatus(status: string): void {
    if (this.session?.kernel) {
      this.session.kernel.status = status;
      this.statusChanged.emit();
    }
  }
}

class FakeShell {
  currentWidget: { isDisposed: boolean; sessionContext?: FakeSession } | null = null;
  readonly currentChanged = new Signal<this, void>(this);

  activate(sessionContext?: FakeSession): void {
    this.currentWidget = { isDisposed: false, ...(sessionContext && { sessionContext }) };
    this.currentChanged.emit();
  }
}

let page: FakePage;
let shell: FakeShell;
let session: FakeSession;
let kernel: FakeKernel;
let active: ActiveKernel;

beforeEach(() => {
  vi.useFakeTimers();
  page = new FakePage();
  shell = new FakeShell();
  session = new FakeSession('work/train.ipynb');
  kernel = new FakeKernel('python3');
  session.start(kernel);
  active = follow(new FakeAPI());
});

afterEach(() => {
  active.dispose();
  vi.useRealTimers();
});

function follow(api: Pick<IAPI, 'snippets'>): ActiveKernel {
  return new ActiveKernel(shell as unknown as JupyterFrontEnd['shell'], api, page);
}

async function settle(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

test('the kernel of the active notebook is followed, also when it changes', () => {
  shell.activate(session);
  expect([active.view.name, active.view.title]).toEqual(['python3', 'train.ipynb']);
  shell.activate();
  expect(active.view.name).toBe('python3');
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('conda-old'));
  shell.activate(second);
  session.start(new FakeKernel('python3.13'));
  expect([active.view.name, active.view.title]).toEqual(['conda-old', 'other.ipynb']);
  second.start(null);
  expect([active.view.name, active.view.status]).toEqual(['', 'none']);
});

test('nothing is queried without watchers', async () => {
  shell.activate(session);
  session.setStatus('busy');
  session.setStatus('idle');
  await settle(10_000);
  expect(kernel.requests).toHaveLength(0);
});

test('an idle kernel is queried once, silently and without a trace', async () => {
  shell.activate(session);
  active.watch();
  await settle(60_000);
  expect(kernel.requests).toEqual([
    {
      code: '',
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
      user_expressions: { gpudock: 'STATE' }
    }
  ]);
  expect(active.view).toMatchObject({ status: 'known', state: { torch: '2.6.0' } });
});

test('a busy kernel is queried only when it becomes idle', async () => {
  shell.activate(session);
  active.watch();
  await settle();
  session.setStatus('busy');
  await settle(60_000);
  expect(kernel.requests).toHaveLength(1);
  expect(active.view).toMatchObject({ status: 'busy', state: { torch: '2.6.0' } });
  session.setStatus('idle');
  await settle(1000);
  expect(kernel.requests).toHaveLength(2);
  expect(active.view.status).toBe('known');
});

test.each([
  ['autorestarting', 'waiting'],
  ['restarting', 'waiting'],
  ['dead', 'failed']
] as const)('a kernel that is %s loses its last known state', async (ended, status) => {
  shell.activate(session);
  active.watch();
  await settle();
  session.setStatus('busy');
  await settle(1000);
  expect(active.view.status).toBe('busy');
  session.setStatus(ended);
  await settle(1000);
  expect(active.view).toMatchObject({ status, state: null });
  session.setStatus('idle');
  await settle(1000);
  expect(active.view.status).toBe('known');
});

test('cells that run in a row are not interrupted by a query', async () => {
  shell.activate(session);
  active.watch();
  await settle();
  for (let cell = 0; cell < 20; cell += 1) {
    session.setStatus('busy');
    await settle(100);
    session.setStatus('idle');
    await settle(100);
  }
  expect(kernel.requests).toHaveLength(1);
});

test('the status changes of a query do not lead to another query', async () => {
  kernel.reply = async () => {
    session.setStatus('busy');
    await new Promise(resolve => setTimeout(resolve, 10));
    session.setStatus('idle');
    return { status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } };
  };
  shell.activate(session);
  active.watch();
  await settle(60_000);
  expect(kernel.requests).toHaveLength(1);
});

test('a cell that runs before the reply arrives leads to another query', async () => {
  let cells = 1;
  kernel.reply = async () => {
    for (const status of ['busy', 'idle', ...(cells-- > 0 ? ['busy', 'idle'] : [])]) {
      session.setStatus(status);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
    return { status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } };
  };
  shell.activate(session);
  active.watch();
  await settle(60_000);
  expect(kernel.requests).toHaveLength(2);
});

test('a hidden page queries nothing, and catches up when it is visible', async () => {
  shell.activate(session);
  active.watch();
  await settle();
  page.setVisibility('hidden');
  session.setStatus('busy');
  session.setStatus('idle');
  await settle(60_000);
  expect(kernel.requests).toHaveLength(1);
  page.setVisibility('visible');
  await settle(1000);
  expect(kernel.requests).toHaveLength(2);
});

test('a kernel for another language is not queried', async () => {
  const other = new FakeKernel('ir', 'R');
  session.start(other);
  shell.activate(session);
  active.watch();
  await settle(1000);
  expect(other.requests).toHaveLength(0);
  expect(active.view.status).toBe('unsupported');
});

test.each<[string, FakeKernel['reply']]>([
  ['replies with an error', () => Promise.resolve({ status: 'error', evalue: 'No.' })],
  ['replies with garbage', () => Promise.resolve({ status: 'ok', data: { 'text/plain': '{' } })],
  ['dies', () => Promise.reject(new Error('Canceled future'))],
  ['never replies', () => new Promise(() => undefined)]
])('a kernel that %s has failed', async (_name, reply) => {
  kernel.reply = reply;
  shell.activate(session);
  active.watch();
  await settle(6000);
  expect(active.view.status).toBe('failed');
});

test('a late reply of another kernel is not shown', async () => {
  let respond: (reply: Reply) => void = () => undefined;
  kernel.reply = () => new Promise(resolve => (respond = resolve));
  shell.activate(session);
  active.watch();
  await settle();
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('python3'));
  second.setStatus('busy');
  shell.activate(second);
  respond({ status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } });
  await settle(1000);
  expect(active.view).toMatchObject({ title: 'other.ipynb', status: 'busy', state: null });
});

test('releasing memory reports what was freed, and queries the state again', async () => {
  shell.activate(session);
  active.watch();
  await settle();
  const released = {
    done: true,
    reason: 'released',
    before: [],
    after: [],
    freed_mib: 5,
    errors: []
  };
  kernel.reply = () =>
    Promise.resolve({ status: 'ok', data: { 'text/plain': JSON.stringify(released) } });
  await active.release();
  expect(active.view.released?.freed_mib).toBe(5);
  expect(kernel.requests[1]?.['user_expressions']).toEqual({ gpudock: 'RELEASE' });
  await settle(1000);
  expect(kernel.requests).toHaveLength(3);
});

test('the memory of a busy kernel is left alone', async () => {
  shell.activate(session);
  session.setStatus('busy');
  await active.release();
  expect(kernel.requests).toHaveLength(0);
});

test('an error while releasing memory is reported', async () => {
  kernel.reply = () => Promise.resolve({ status: 'error', evalue: 'Out of luck' });
  shell.activate(session);
  await active.release();
  expect(active.view.released).toMatchObject({ reason: 'failed', errors: ['Out of luck'] });
  expect(active.view.releasing).toBe(false);
});

test('a kernel that becomes idle is signaled, also without watchers', async () => {
  const becameIdle = vi.fn();
  active.becameIdle.connect(becameIdle);
  shell.activate(session);
  await settle(1000);
  becameIdle.mockClear();
  session.setStatus('busy');
  await settle(1000);
  expect(becameIdle).not.toHaveBeenCalled();
  session.setStatus('idle');
  await settle(1000);
  expect(becameIdle).toHaveBeenCalledOnce();
});

test('a closed notebook leaves no active kernel', () => {
  shell.activate(session);
  shell.currentWidget = null;
  session.session = null;
  session.disposed.emit();
  expect(active.view.status).toBe('none');
});

test('a kernel is queried although another one has not replied yet', async () => {
  kernel.reply = () => new Promise(() => undefined);
  shell.activate(session);
  active.watch();
  await settle();
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('python3'));
  shell.activate(second);
  await settle(1000);
  expect(active.view).toMatchObject({ title: 'other.ipynb', status: 'known' });
  await settle(60_000);
  expect(active.view.status).toBe('known');
});

test('memory that another kernel released late is not shown for this one', async () => {
  let respond: (reply: Reply) => void = () => undefined;
  shell.activate(session);
  await settle();
  kernel.reply = () => new Promise(resolve => (respond = resolve));
  const releasing = active.release();
  await settle();
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('python3'));
  shell.activate(second);
  respond({ status: 'error', evalue: 'Out of luck' });
  await releasing;
  expect(active.view).toMatchObject({ title: 'other.ipynb', released: null, releasing: false });
});
