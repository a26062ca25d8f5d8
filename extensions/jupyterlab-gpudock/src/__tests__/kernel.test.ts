import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { IAPI } from '../model/api';
import { ActiveKernel } from '../model/kernel';
import { FakeAPI, FakePage, kernelState } from './fakes';

type Answer = { status: 'ok'; data: Record<string, string> } | { status: 'error'; evalue: string };

class FakeKernel {
  status = 'idle';
  readonly asked: Record<string, unknown>[] = [];
  readonly spec: Promise<{ language: string }>;
  answer: () => Promise<Answer> = () =>
    Promise.resolve({ status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } });

  constructor(
    readonly name: string,
    language = 'python'
  ) {
    this.spec = Promise.resolve({ language });
  }

  requestExecute(content: Record<string, unknown>): { done: Promise<unknown>; dispose(): void } {
    this.asked.push(content);
    const done = this.answer().then(gpudock => ({
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

  turn(status: string): void {
    if (this.session?.kernel) {
      this.session.kernel.status = status;
      this.statusChanged.emit();
    }
  }
}

class FakeShell {
  currentWidget: { isDisposed: boolean; sessionContext?: FakeSession } | null = null;
  readonly currentChanged = new Signal<this, void>(this);

  turnTo(sessionContext?: FakeSession): void {
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

test('the kernel of the notebook that is worked in is followed, also when it changes', () => {
  shell.turnTo(session);
  expect([active.view.name, active.view.title]).toEqual(['python3', 'train.ipynb']);
  shell.turnTo();
  expect(active.view.name).toBe('python3');
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('conda-old'));
  shell.turnTo(second);
  session.start(new FakeKernel('python3.13'));
  expect([active.view.name, active.view.title]).toEqual(['conda-old', 'other.ipynb']);
  second.start(null);
  expect([active.view.name, active.view.status]).toEqual(['', 'none']);
});

test('nothing is asked while nobody watches', async () => {
  shell.turnTo(session);
  session.turn('busy');
  session.turn('idle');
  await settle(10_000);
  expect(kernel.asked).toHaveLength(0);
});

test('an idle kernel is asked once, silently and without a trace', async () => {
  shell.turnTo(session);
  active.watch();
  await settle(60_000);
  expect(kernel.asked).toEqual([
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

test('a busy kernel is never asked, and is asked when it rests', async () => {
  shell.turnTo(session);
  active.watch();
  await settle();
  session.turn('busy');
  await settle(60_000);
  expect(kernel.asked).toHaveLength(1);
  expect(active.view).toMatchObject({ status: 'busy', state: { torch: '2.6.0' } });
  session.turn('idle');
  await settle(1000);
  expect(kernel.asked).toHaveLength(2);
  expect(active.view.status).toBe('known');
});

test.each([
  ['autorestarting', 'waiting'],
  ['restarting', 'waiting'],
  ['dead', 'failed']
] as const)('of a kernel that is %s nothing from before is shown', async (ended, status) => {
  shell.turnTo(session);
  active.watch();
  await settle();
  session.turn('busy');
  await settle(1000);
  expect(active.view.status).toBe('busy');
  session.turn(ended);
  await settle(1000);
  expect(active.view).toMatchObject({ status, state: null });
  session.turn('idle');
  await settle(1000);
  expect(active.view.status).toBe('known');
});

test('cells that run in a row are not interrupted by a question', async () => {
  shell.turnTo(session);
  active.watch();
  await settle();
  for (let cell = 0; cell < 20; cell += 1) {
    session.turn('busy');
    await settle(100);
    session.turn('idle');
    await settle(100);
  }
  expect(kernel.asked).toHaveLength(1);
});

test('the coming and going of the question itself asks no other', async () => {
  kernel.answer = async () => {
    session.turn('busy');
    await new Promise(resolve => setTimeout(resolve, 10));
    session.turn('idle');
    return { status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } };
  };
  shell.turnTo(session);
  active.watch();
  await settle(60_000);
  expect(kernel.asked).toHaveLength(1);
});

test('a cell that runs before the answer arrives is noticed', async () => {
  let cells = 1;
  kernel.answer = async () => {
    for (const status of ['busy', 'idle', ...(cells-- > 0 ? ['busy', 'idle'] : [])]) {
      session.turn(status);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
    return { status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } };
  };
  shell.turnTo(session);
  active.watch();
  await settle(60_000);
  expect(kernel.asked).toHaveLength(2);
});

test('a hidden page asks nothing, and catches up when it is seen', async () => {
  shell.turnTo(session);
  active.watch();
  await settle();
  page.turn('hidden');
  session.turn('busy');
  session.turn('idle');
  await settle(60_000);
  expect(kernel.asked).toHaveLength(1);
  page.turn('visible');
  await settle(1000);
  expect(kernel.asked).toHaveLength(2);
});

test('a kernel that speaks no Python is not asked', async () => {
  const other = new FakeKernel('ir', 'R');
  session.start(other);
  shell.turnTo(session);
  active.watch();
  await settle(1000);
  expect(other.asked).toHaveLength(0);
  expect(active.view.status).toBe('unsupported');
});

test.each<[string, FakeKernel['answer']]>([
  ['answers with an error', () => Promise.resolve({ status: 'error', evalue: 'No.' })],
  ['answers with garbage', () => Promise.resolve({ status: 'ok', data: { 'text/plain': '{' } })],
  ['dies', () => Promise.reject(new Error('Canceled future'))],
  ['never answers', () => new Promise(() => undefined)]
])('a kernel that %s is said to have failed', async (_name, answer) => {
  kernel.answer = answer;
  shell.turnTo(session);
  active.watch();
  await settle(6000);
  expect(active.view.status).toBe('failed');
});

test('the answer of a kernel that was left is not shown for another', async () => {
  let tell: (answer: Answer) => void = () => undefined;
  kernel.answer = () => new Promise(resolve => (tell = resolve));
  shell.turnTo(session);
  active.watch();
  await settle();
  const second = new FakeSession('other.ipynb');
  second.start(new FakeKernel('python3'));
  second.turn('busy');
  shell.turnTo(second);
  tell({ status: 'ok', data: { 'text/plain': JSON.stringify(kernelState()) } });
  await settle(1000);
  expect(active.view).toMatchObject({ title: 'other.ipynb', status: 'busy', state: null });
});

test('releasing memory tells what was gained, and asks for the state again', async () => {
  shell.turnTo(session);
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
  kernel.answer = () =>
    Promise.resolve({ status: 'ok', data: { 'text/plain': JSON.stringify(released) } });
  await active.release();
  expect(active.view.released?.freed_mib).toBe(5);
  expect(kernel.asked[1]?.['user_expressions']).toEqual({ gpudock: 'RELEASE' });
  await settle(1000);
  expect(kernel.asked).toHaveLength(3);
});

test('the memory of a busy kernel is left alone', async () => {
  shell.turnTo(session);
  session.turn('busy');
  await active.release();
  expect(kernel.asked).toHaveLength(0);
});

test('memory that could not be released says why', async () => {
  kernel.answer = () => Promise.resolve({ status: 'error', evalue: 'Out of luck' });
  shell.turnTo(session);
  await active.release();
  expect(active.view.released).toMatchObject({ reason: 'failed', errors: ['Out of luck'] });
  expect(active.view.releasing).toBe(false);
});

test('a kernel that has computed and rests is told of, also while nobody watches', async () => {
  const becameIdle = vi.fn();
  active.becameIdle.connect(becameIdle);
  shell.turnTo(session);
  await settle(1000);
  becameIdle.mockClear();
  session.turn('busy');
  await settle(1000);
  expect(becameIdle).not.toHaveBeenCalled();
  session.turn('idle');
  await settle(1000);
  expect(becameIdle).toHaveBeenCalledOnce();
});

test('a notebook that is closed leaves no kernel behind', () => {
  shell.turnTo(session);
  shell.currentWidget = null;
  session.session = null;
  session.disposed.emit();
  expect(active.view.status).toBe('none');
});
