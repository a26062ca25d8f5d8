import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { IKernelEnds, ILimits } from '../model/contract';
import { incidentAdvice, incidentMessage } from '../messages/limits';
import { type IIncident, KernelWatch } from '../model/kernelWatch';
import { limitOfError, mayBeLimit } from '../model/limitErrors';
import { Limits } from '../model/limits';
import { DEFAULTS } from '../model/settings';
import { FakeAPI, FakePage, Later } from './fakes';
import { renderPanel } from './renderPanel';
import { kernelEnd, limits } from './samples';

const display = { trans: nullTranslator.load('jupyterlab_gpudock'), preferences: DEFAULTS };

class FakeSession {
  readonly path = 'work/train.ipynb';
  session: { kernel: { id: string } | null; path: string } | null;
  readonly statusChanged = new Signal<this, string>(this);
  readonly iopubMessage = new Signal<this, unknown>(this);

  constructor(id = 'k-1') {
    this.session = { kernel: { id }, path: this.path };
  }

  fail(ename: string, evalue: string): void {
    this.iopubMessage.emit({ header: { msg_type: 'error' }, content: { ename, evalue } });
  }
}

class FakeShell {
  currentWidget: object | null = null;
  open: object[] = [];
  readonly currentChanged = new Signal<this, void>(this);

  widgets(): object[] {
    return this.open;
  }

  activate(sessionContext: FakeSession): void {
    this.currentWidget = { isDisposed: false, sessionContext };
    this.currentChanged.emit();
  }
}

let server: FakeAPI;
let shell: FakeShell;
let session: FakeSession;
let incidents: IIncident[];

function watch(): KernelWatch {
  const watched = new KernelWatch(shell as unknown as JupyterFrontEnd['shell'], server);
  watched.happened.connect((_sender, incident) => incidents.push(incident));
  return watched;
}

beforeEach(() => {
  server = new FakeAPI();
  shell = new FakeShell();
  session = new FakeSession();
  incidents = [];
  shell.activate(session);
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

const FULL = limits({ processes: { limit: 4096, used: 4000 }, memory_kills: 1 });

test.each([
  ['OSError: [Errno 24] Too many open files', 'open_files'],
  [
    'OSError: Caught OSError in DataLoader worker process 0.\nOSError: [Errno 24] Too many open files',
    'open_files'
  ],
  ['RuntimeError: received 0 items of ancdata', 'open_files'],
  ['OSError: [Errno 23] Too many open files in system', null],
  [
    "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.",
    'shm'
  ],
  ['RuntimeError: unable to write to file </torch_123_456_0>: No space left on device (28)', 'shm'],
  ['RuntimeError: unable to allocate shared memory(shm) for file </torch_1_2>: Success (0)', 'shm'],
  [
    'RuntimeError: unable to open shared memory object </torch_1_2> in read-write mode: Too many open files (24)',
    'open_files'
  ],
  // The kernel's limit of memory maps, of which the host has one for all.
  [
    'RuntimeError: unable to mmap 8 bytes from file </torch_1_2>: Cannot allocate memory (12)',
    null
  ],
  ['OSError: [Errno 12] Cannot allocate memory', 'memory'],
  ["OSError: [Errno 28] No space left on device: '/dev/shm/sem.x'", 'shm'],
  ["OSError: [Errno 28] No space left on device: '/workspace/model.pt'", null],
  ["RuntimeError: can't start new thread", 'processes'],
  ['BlockingIOError: [Errno 11] Resource temporarily unavailable', 'processes'],
  ['MemoryError: Unable to allocate 64.0 GiB for an array', 'memory'],
  [
    "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 68719476736 bytes.",
    'memory'
  ],
  ['RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. ', 'memory'],
  ['RuntimeError: DataLoader worker (pid(s) 7) exited unexpectedly', 'memory'],
  ['OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.', null],
  ['ValueError: no such thing', null]
])('an error is attributed to its limit: %s', (error, limit) => {
  expect(limitOfError(error, FULL)).toBe(limit);
  expect(mayBeLimit(error)).toBe(limit !== null);
});

test('an error that has other causes needs a limit that was reached', () => {
  const busy = 'BlockingIOError: [Errno 11] Resource temporarily unavailable';
  const killed = 'RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. ';
  const unknown = limits({ processes: { limit: null, used: null }, memory_kills: null });
  for (const known of [limits(), unknown]) {
    expect(limitOfError(busy, known)).toBeNull();
    expect(limitOfError(killed, known)).toBeNull();
  }
});

test('the end of a kernel is explained once, although two documents show it', async () => {
  server.pastEnds = [kernelEnd({ kernel_id: 'k-2' }), kernelEnd()];
  const watched = watch();
  watched.followAll();
  const console = new FakeSession();
  shell.activate(console);
  session.statusChanged.emit('busy');
  session.statusChanged.emit('autorestarting');
  console.statusChanged.emit('autorestarting');
  await settled();
  expect(incidents).toEqual([
    {
      ...{ cause: 'memory', ended: true, signal: 'SIGKILL', exitCode: null },
      ...{ limits: limits(), title: 'train.ipynb' }
    }
  ]);
  server.pastEnds = [kernelEnd({ ended_at: 200, cause: 'signal', signal: 'SIGSEGV' })];
  session.statusChanged.emit('dead');
  await settled();
  expect(incidents.map(({ cause }) => cause)).toEqual(['memory', 'signal']);
});

test('a kernel that is shut down, or exits without an error, is not explained', async () => {
  watch();
  session.statusChanged.emit('dead');
  await settled();
  server.pastEnds = [kernelEnd({ cause: 'exit', signal: null, exit_code: 0 })];
  session.statusChanged.emit('autorestarting');
  await settled();
  server.failure = new Error('no answer');
  session.statusChanged.emit('autorestarting');
  session.fail('OSError', '[Errno 24] Too many open files');
  await settled();
  expect(incidents).toEqual([]);
});

test('documents that were open before are followed too', async () => {
  shell.currentWidget = null;
  const watched = watch();
  shell.open = [{ isDisposed: false }, { isDisposed: false, sessionContext: session }];
  watched.followAll();
  server.pastEnds = [kernelEnd()];
  session.statusChanged.emit('autorestarting');
  await settled();
  expect(incidents).toHaveLength(1);
});

test('code that reaches a limit is explained, and not again for a while', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  watch();
  session.fail('NameError', "name 'x' is not defined");
  expect(server.limitsOf).toEqual([]);
  const again = async (): Promise<void> => {
    session.fail('OSError', '[Errno 24] Too many open files');
    await settled();
  };
  await again();
  await again();
  expect(server.limitsOf).toEqual(['k-1', 'k-1']);
  expect(incidents.map(({ cause, ended }) => [cause, ended])).toEqual([['open_files', false]]);
  vi.setSystemTime(Date.now() + 61_000);
  await again();
  expect(incidents).toHaveLength(2);
});

const CAUSES: IIncident['cause'][] = [
  ...(['memory', 'host_memory', 'shm', 'processes', 'open_files', 'signal', 'exit'] as const)
];

function incident(changes: Partial<IIncident> = {}): IIncident {
  return {
    ...{ cause: 'memory', ended: true, signal: 'SIGKILL', exitCode: null, limits: limits() },
    title: 'train.ipynb',
    ...changes
  };
}

test('the limit is named with its size, what is used, and what to do', () => {
  expect(incidentMessage(incident(), display)).toBe(
    'The kernel of train.ipynb was ended: this server has reached its memory limit, 32.0 GiB.'
  );
  const advice = incidentAdvice(incident(), display);
  expect(advice[0]).toBe('In use now: 12.0 GiB of 32.0 GiB, of which 1.0 GiB in /dev/shm.');
  expect(advice[1]).toContain('num_workers');
  const files = incident({ cause: 'open_files', ended: false });
  expect(incidentMessage(files, display)).toBe(
    'Code in train.ipynb failed: the kernel has reached its limit of open files, 1024.'
  );
  expect(incidentAdvice(files, display).join(' ')).toContain('set_sharing_strategy("file_system")');
  const unlimited = limits({ memory_mib: { limit: null, used: 12288 } });
  expect(incidentMessage(incident({ limits: unlimited }), display)).toContain('the machine');
});

test('JupyterLab cuts no notification', () => {
  const nothing = { limit: null, used: null };
  const unknown = limits({
    ...{ memory_mib: nothing, shm_mib: nothing, processes: nothing, open_files: nothing }
  });
  for (const cause of CAUSES) {
    for (const known of [limits(), unknown]) {
      for (const ended of [true, false]) {
        for (const exitCode of [null, 137]) {
          const one = { cause, ended, exitCode, limits: known, title: 'a'.repeat(200) + '.ipynb' };
          const message = incidentMessage(incident(one), display);
          expect(message.length, message).toBeLessThanOrEqual(140);
          expect(message).not.toMatch(/undefined|null|NaN/);
          expect(incidentAdvice(incident(one), display).join()).not.toMatch(/undefined|null|NaN/);
        }
      }
    }
  }
});

test('the panel shows the limits while it is watched', async () => {
  const page = new FakePage();
  const followed = new Limits(server, page);
  expect(server.limitsOf).toEqual([]);
  const watching = followed.watch();
  await settled();
  const text = renderPanel({ limits: followed.view }, display).textContent;
  expect(text).toContain('Main memory12.0 GiB of 32.0 GiB');
  expect(text).toContain('Open files per program1024');
  expect(text).toContain('Processors4');
  vi.useFakeTimers();
  followed.watch().dispose();
  watching.dispose();
  expect(server.limitsOf).toHaveLength(2);
  vi.advanceTimersByTime(20_000);
  expect(server.limitsOf).toHaveLength(2);
});

test('a hidden page asks for no limits, and a visible one at intervals', async () => {
  vi.useFakeTimers();
  const page = new FakePage();
  const followed = new Limits(server, page);
  const watching = followed.watch();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.limitsOf).toHaveLength(3);
  page.setVisibility('hidden');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.limitsOf).toHaveLength(3);
  watching.dispose();
  followed.dispose();
});

test('programs that were killed and too many threads are pointed out', () => {
  const show = (known: Partial<ILimits>): string =>
    renderPanel({ limits: { limits: limits(known) } }, display).textContent;
  expect(show({})).not.toContain('Ended by lack of memory');
  expect(show({ memory_kills: 1 })).toContain('Ended by lack of memory1 program');
  expect(show({ cpus: 2.5, threads: 3 })).toContain('Threads per computation3');
  expect(show({ cpus: 2.5, threads: 4 })).toContain('more than processors4');
  expect(show({ cpus: null, threads: 64 })).toContain('Threads per computation64');
});

test('without limits there is no card', () => {
  const nothing = { limit: null, used: null };
  const unknown = limits({
    ...{ memory_mib: nothing, shm_mib: nothing, processes: nothing, open_files: nothing },
    cpus: null
  });
  for (const known of [null, unknown]) {
    const text = renderPanel({ limits: { limits: known } }, display).textContent;
    expect(text).not.toContain('Limits of this server');
    cleanup();
  }
});

test('a late response does not replace newer limits', async () => {
  const late = new Later<ILimits>();
  server.limitsResponse = () => late.response;
  const model = new Limits(server, new FakePage());
  model.watch();
  server.limitsResponse = () => limits({ cpus: 8 });
  model.watch();
  await settled();
  late.respond(limits({ cpus: 2 }));
  await settled();
  expect(model.view.limits?.cpus).toBe(8);
  model.dispose();
});

test('a late response does not report an older end of a kernel', async () => {
  const late = new Later<IKernelEnds>();
  watch();
  server.endsResponse = () => late.response;
  session.statusChanged.emit('autorestarting');
  server.endsResponse = () => Promise.resolve({ ends: [kernelEnd({ ended_at: 200 })] });
  session.statusChanged.emit('autorestarting');
  await settled();
  late.respond({ ends: [kernelEnd({ ended_at: 100 })] });
  await settled();
  expect(incidents).toHaveLength(1);
});
