import { nullTranslator } from '@jupyterlab/translation';
import { cleanup, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';

import type { IGPU, ThrottleReason } from '../model/contract';
import { DEFAULTS } from '../model/settings';
import {
  check,
  environment,
  gpu,
  kernelState,
  lease,
  process,
  snapshot,
  stack,
  unmanaged
} from './samples';
import { type IChanges, renderPanel } from './renderPanel';

const trans = nullTranslator.load('jupyterlab_gpudock');
const display = { trans, preferences: DEFAULTS };

afterEach(cleanup);

function show(changes: IChanges = {}): string {
  return renderPanel(changes, display).textContent;
}

function press(name: string | RegExp): void {
  fireEvent.click(screen.getByRole('button', { name }));
}

test('a GPU is a card with its numbers, and bars that a screen reader can read', () => {
  const text = show();
  expect(screen.getByRole('region', { name: 'cuda:0: A100-SXM4-40GB' })).toBeTruthy();
  for (const part of ['42 %', '31.0 / 40.0 GiB', '64 °C', '283 / 400 W', '1305 / 1410 MHz']) {
    expect(text).toContain(part);
  }
  const memory = screen.getByRole('meter', { name: 'Memory' });
  expect(memory.getAttribute('aria-valuetext')).toBe('31.0 / 40.0 GiB');
  expect(memory.getAttribute('aria-valuenow')).toBe('78');
});

test('a MIG slice shows its profile, and that its utilization is not reported', () => {
  const slice = gpu({ mig_profile: '1g.5gb', utilization_percent: 'not_supported' });
  const text = show({ gpus: { snapshot: snapshot({ gpus: [slice] }) } });
  expect(text).toContain('MIG 1g.5gb');
  expect(text).toContain('not reported');
  expect(screen.queryByRole('meter', { name: 'Utilization' })).toBeNull();
});

test('the stack card shows versions and the verdict', () => {
  const refreshStack = vi.fn();
  const text = show({ actions: { refreshStack } });
  for (const part of ['550.54.15', 'up to 12.4', '2.6.0+cu124', '9.1.0', '3.13.1', '2.21.5']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Usable: torch computes on the GPU, with cuDNN.');
  press('Check again');
  expect(refreshStack).toHaveBeenCalledOnce();
});

test('all findings are shown with their sources, and unknown ones are quoted', () => {
  const newer = {
    code: 'brand_new',
    level: 'warning',
    parameters: {},
    message: 'Something else.',
    source: 'https://docs.nvidia.com/'
  } as const;
  expect(show({ gpus: { stack: stack('usable', true, {}, [newer]) } })).toContain(
    'Something else.'
  );
  expect(screen.getByRole('link', { name: 'Source' }).getAttribute('href')).toBe(newer.source);
});

test('a finding is shown by its exact ID, and by its code if the panel does not know that', () => {
  const finding = { level: 'error', parameters: { capability: '12.0' }, source: null } as const;
  const exact = { ...finding, code: 'arch_missing', id: 'gpu_too_new', message: '' };
  const newer = { ...finding, code: 'torch_cpu_only', id: 'brand_new', message: '' };
  const text = show({ gpus: { stack: stack('usable', true, {}, [exact, newer]) } });
  expect(text).toContain('too new for this torch, which has no code for compute capability 12.0.');
  expect(text).toContain('Install a torch that is built for CUDA.');
});

test('a kernel can be selected whose stack is shown', () => {
  const selectKernel = vi.fn();
  const environments = ['python3', 'conda-old'].map(kernel =>
    environment({ kernel, display_name: `The ${kernel}` })
  );
  show({
    gpus: { environments: { default: 'python3', environments } },
    actions: { selectKernel }
  });
  const select = screen.getByRole('combobox', { name: 'Kernel' });
  fireEvent.change(select, { target: { value: 'conda-old' } });
  expect(selectKernel).toHaveBeenCalledWith('conda-old');
});

test.each([
  ['no_gpu', null, 'No GPU on this machine'],
  ['no_driver', null, 'No NVIDIA driver'],
  ['version_mismatch', null, 'Driver update is not finished'],
  ['lost', null, 'GPU lost'],
  ['failed', null, 'GPU cannot be read'],
  ['hanging', null, 'GPU is not responding'],
  ['no_gpu', { lease: null, state: 'no_lease' }, 'No GPU was requested'],
  ['no_driver', { lease: null, state: 'no_lease' }, 'No GPU was requested'],
  ['no_gpu', {}, 'Your GPU is not visible']
] as const)('%s (lease: %o) is shown as: %s', (state, managed, title) => {
  const text = show({
    gpus: { snapshot: snapshot({ state, gpus: [] }) },
    lease: { lease: managed ? lease(managed) : unmanaged() }
  });
  expect(text).toContain(title);
  expect(screen.queryByRole('meter')).toBeNull();
});

test('a lost GPU keeps its card next to the healthy one', () => {
  const gpus = [gpu(), gpu({ uuid: 'GPU-2', index: '1', state: 'lost' })];
  const text = show({ gpus: { snapshot: snapshot({ gpus }) } });
  expect(screen.getAllByRole('region', { name: /^cuda:\d/ })).toHaveLength(2);
  expect(screen.getByRole('alert').textContent).toContain('GPU lost');
  expect(text).toContain('42 %');
});

test('before the first reading the panel shows what it does', () => {
  expect(show({ gpus: { snapshot: null, stack: null } })).toBe('Looking for GPUs…');
});

test('a lost connection shows the age of the values, and can be retried now', () => {
  const reconnect = vi.fn();
  const text = show({ gpus: { problem: 'unreachable' }, actions: { reconnect } });
  expect(text).toContain('Connection lost. Reconnecting…');
  expect(text).toContain('The values shown are 12 s old.');
  press('Try now');
  expect(reconnect).toHaveBeenCalledOnce();
});

test.each([
  ['forbidden', 'Signed out'],
  ['missing', 'Server extension is missing']
] as const)('%s is shown as: %s', (problem, title) => {
  expect(show({ gpus: { problem, snapshot: null } })).toContain(title);
});

test('a driver that does not respond is shown with the age of the values', () => {
  const text = show({ gpus: { stale: true } });
  expect(text).toContain('GPU is not responding');
  expect(text).toContain('has not responded for 12 s');
});

test.each([
  ['usable_without_cudnn', true, {}, 'no cuDNN'],
  ['no_gpu', false, {}, 'this server has no GPU'],
  ['no_driver', false, {}, 'this server has no GPU'],
  ['version_mismatch', false, {}, 'until the machine is restarted'],
  ['lost', false, {}, 'the GPU is lost'],
  ['failed', false, {}, 'cannot be read'],
  ['torch_missing', false, {}, 'not installed in this environment'],
  ['torch_broken', false, { detail: 'libcudnn.so.9: cannot open' }, 'libcudnn.so.9: cannot open'],
  ['torch_cpu_only', false, {}, 'built for the CPU only'],
  [
    'driver_too_old',
    false,
    { cuda: '12.4', needed: '525.60.13', driver: '470.57.02' },
    'CUDA 12.4 needs driver 525.60.13 or newer, but the driver is 470.57.02'
  ],
  ['arch_missing', false, { capability: '12.0' }, 'no code for GPUs of compute capability 12.0'],
  ['cudnn_mismatch', false, { built: '9.1.0', loaded: '8.9.7' }, 'but cuDNN 8.9.7 is loaded'],
  ['python_missing', false, {}, 'no longer exists'],
  ['hanging', false, {}, 'is not responding'],
  ['cuda_unavailable', false, {}, 'torch cannot initialize CUDA'],
  ['no_python', false, {}, 'not a plain Python kernel'],
  [
    'python_broken',
    false,
    { detail: 'no site module' },
    'start. Repair its environment, or choose another one. no site module'
  ],
  ['probe_timeout', false, {}, 'did not respond in time']
])('the verdict %s is shown', (code, usable, parameters, words) => {
  expect(show({ gpus: { stack: stack(code, usable, parameters) } })).toContain(words);
});

test('a stack that could not be loaded is shown as such', () => {
  const text = show({ gpus: { stack: null, stackStatus: 'failed' } });
  expect(text).toContain('could not read the environment');
});

const EIGHT = Array.from({ length: 8 }, (_, place) =>
  gpu({ uuid: `GPU-${place}`, index: String(place), processes: [process({ pid: place })] })
);

test('eight GPUs are rows with their numbers, and one opens at a time', () => {
  show({ gpus: { snapshot: snapshot({ gpus: EIGHT }) } });
  const rows = screen.getAllByRole('button', { name: /^cuda:\d: A100/ });
  expect(rows).toHaveLength(8);
  expect(rows[3]?.getAttribute('aria-label')).toBe(
    'cuda:3: A100-SXM4-40GB, 42 %, 31.0 / 40.0 GiB, 64 °C'
  );
  expect(screen.queryByText('train.ipynb')).toBeNull();
  fireEvent.click(rows[3] as HTMLElement);
  expect(screen.getAllByText('train.ipynb')).toHaveLength(1);
  fireEvent.click(rows[5] as HTMLElement);
  expect(screen.getAllByText('train.ipynb')).toHaveLength(1);
  expect(rows.map(row => row.getAttribute('aria-expanded')).indexOf('true')).toBe(5);
});

test('a row states what is wrong with its GPU', () => {
  const [first, second, ...others] = EIGHT;
  const gpus = [
    { ...first, state: 'lost' },
    { ...second, memory_used_mib: 40000 },
    ...others
  ] as IGPU[];
  show({ gpus: { snapshot: snapshot({ gpus }) } });
  screen.getByRole('button', { name: 'cuda:0: A100-SXM4-40GB, GPU lost' });
  screen.getByRole('button', { name: /^cuda:1: .*, nearly full$/ });
});

test.each<[Partial<IGPU>, string]>([
  [{ state: 'lost' }, 'GPU lost'],
  [{ state: 'interrupted' }, 'GPU readings are interrupted'],
  [{ health: ['ecc_uncorrected'] }, 'memory errors'],
  [{ health: ['remap_failed'] }, 'needs repair'],
  [{ health: ['remap_pending'] }, 'needs a reset'],
  [{ health: ['no_slices'] }, 'no MIG slices'],
  [{ throttle: ['hw_thermal'] }, 'slowed down']
])('of many GPUs the one with %o comes first, closed, with its word', (changes, word) => {
  const gpus = EIGHT.map((one, place) => (place === 6 ? gpu({ ...one, ...changes }) : one));
  show({ gpus: { snapshot: snapshot({ gpus }) } });
  const rows = screen.getAllByRole('button', { name: /^cuda:\d: A100/ });
  const names = rows.map(row => row.getAttribute('aria-label') ?? '');
  expect(names[0]).toMatch(/^cuda:6: /);
  expect(names[0]).toContain(word);
  expect(names.slice(1).every(name => !name.includes(word))).toBe(true);
  expect(rows.every(row => row.getAttribute('aria-expanded') === 'false')).toBe(true);
});

test('the header counts the GPUs with problems', () => {
  const gpus = EIGHT.map((one, place) => (place > 5 ? gpu({ ...one, state: 'lost' }) : one));
  expect(show({ gpus: { snapshot: snapshot({ gpus }) } })).toContain('2 with problems');
});

test('a GPU in MIG mode without slices says what to do', () => {
  const one = gpu({ health: ['no_slices'] });
  const text = show({ gpus: { snapshot: snapshot({ gpus: [one] }) } });
  expect(text).toContain('MIG mode is on, but there are no slices');
});

test('the notebook of a process can be opened, and its kernel shut down', () => {
  const [open, shutDown] = [vi.fn(), vi.fn()];
  const one = process();
  const text = show({
    gpus: { snapshot: snapshot({ gpus: [gpu({ processes: [one] })] }) },
    actions: { open, shutDown }
  });
  expect(text).toContain('2.0 GiB');
  expect(text).toContain('notebook');
  press('train.ipynb');
  expect(open).toHaveBeenCalledWith(one.owner);
  press('Shut down the kernel of train.ipynb');
  expect(shutDown).toHaveBeenCalledWith(one);
});

test.each([
  ['hidden', 'outside this container'],
  ['ambiguous', 'it is unknown which one'],
  ['foreign', 'does not belong to this Jupyter server'],
  ['vanished', 'has just ended']
] as const)('a process that is %s is shown as: %s', (reason, words) => {
  const unknown = process({ certainty: 'unknown', reason, owner: null, name: null });
  const text = show({ gpus: { snapshot: snapshot({ gpus: [gpu({ processes: [unknown] })] }) } });
  expect(text).toContain('Process 4711');
  expect(text).toContain(words);
  expect(screen.queryByRole('button', { name: /Shut down/ })).toBeNull();
});

test('a probable owner is shown as such', () => {
  const probable = process({ certainty: 'probable', reason: 'only_candidate' });
  const text = show({ gpus: { snapshot: snapshot({ gpus: [gpu({ processes: [probable] })] }) } });
  expect(text).toContain('probably: notebook');
});

test('a terminal has no kernel to shut down', () => {
  const terminal = process({ owner: { kind: 'terminal', terminal: '3' } });
  const text = show({ gpus: { snapshot: snapshot({ gpus: [gpu({ processes: [terminal] })] }) } });
  expect(text).toContain('terminal');
  expect(screen.queryByRole('button', { name: /Shut down/ })).toBeNull();
});

/** A reason that a newer server may report. */
const UNKNOWN_REASON = 'of_the_future' as ThrottleReason;

test.each<[Partial<IGPU>, string]>([
  [{ processes: [] }, 'No process uses this GPU.'],
  [{ processes: 'not_supported' }, 'does not report which processes'],
  [{ processes: 'not_available' }, 'could not be read'],
  [{ throttle: ['hw_thermal'] }, 'because it is too hot'],
  [{ throttle: ['sw_power_cap'] }, 'within its power limit'],
  [{ throttle: [UNKNOWN_REASON] }, 'Slowed down: of_the_future.'],
  [{ health: ['ecc_uncorrected'], ecc_uncorrected: 2 }, '2 errors that could not be corrected'],
  [{ health: ['remap_failed'] }, 'this GPU needs repair'],
  [{ nvlinks: 12 }, 'PCIe 4 ×16, 12 NVLinks']
])('a GPU with %o is shown as: %s', (changes, words) => {
  expect(show({ gpus: { snapshot: snapshot({ gpus: [gpu(changes)] }) } })).toContain(words);
});

test('harmless throttle reasons are not shown', () => {
  const text = show({ gpus: { snapshot: snapshot({ gpus: [gpu({ throttle: ['gpu_idle'] })] }) } });
  expect(text).not.toContain('Slowed');
});

test.each([
  ['none', null, 'Open a notebook'],
  ['unsupported', null, 'not a Python kernel'],
  ['busy', null, 'Its state is read when it is idle.'],
  ['busy', kernelState(), 'This is its last known state:'],
  ['failed', null, 'did not respond'],
  ['known', kernelState({ torch_loaded: false }), 'torch is not loaded in this kernel.'],
  ['known', kernelState({ cuda_initialized: false, devices: [] }), 'has not used a GPU yet'],
  ['known', kernelState(), 'Peak reserved4.0 GiB'],
  ['known', kernelState({ autocast: true, autocast_dtype: 'bfloat16' }), 'Autocaston, bfloat16'],
  ['known', kernelState({ fp32_precision_matmul: 'tf32', tf32_matmul: true }), 'on (tf32)'],
  ['known', kernelState({ errors: ['no such attribute'] }), 'no such attribute']
] as const)('a kernel that is %s (%o) is shown as: %s', (status, state, words) => {
  expect(show({ kernel: { status, state, title: 'train.ipynb' } })).toContain(words);
});

test('the actions on a busy kernel are disabled', () => {
  show({ kernel: { status: 'busy', state: kernelState() } });
  for (const name of ['Release cached memory', 'Refresh']) {
    expect(screen.getByRole<HTMLButtonElement>('button', { name }).disabled).toBe(true);
  }
});

test.each([
  [{ reason: 'released', freed_mib: 1536 }, '1.5 GiB released'],
  [{ reason: 'released', freed_mib: 0 }, 'no cached memory to release'],
  [{ reason: 'cuda_not_used' }, 'nothing to release'],
  [{ reason: 'failed', errors: ['Out of luck'] }, 'Out of luck']
] as const)('releasing memory with the result %o is shown as: %s', (changes, words) => {
  const released = { done: true, before: [], after: [], freed_mib: 0, ...changes };
  const errors = 'errors' in changes ? [...changes.errors] : [];
  expect(show({ kernel: { status: 'known', released: { ...released, errors } } })).toContain(words);
});

test('a check can be run, shows its progress, and can be cancelled', () => {
  const [runCheck, cancelCheck] = [vi.fn(), vi.fn()];
  show({ actions: { runCheck } });
  press('Run a check');
  expect(runCheck).toHaveBeenCalledWith('GPU-1');
  cleanup();
  const running = check({ state: 'running', progress: 0.4 });
  show({ checks: { byGPU: new Map([['GPU-1', running]]) }, actions: { cancelCheck } });
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('40');
  press('Cancel');
  expect(cancelCheck).toHaveBeenCalledWith(running);
});

test.each([
  [check(), '3.4 times as fast as without it'],
  [check(), 'with the kernel python3:'],
  [check(), 'with cuDNN: 1.50 ms, without: 5.13 ms'],
  [check({ state: 'failed', code: 'timeout', parameters: { limit_s: '120' } }), 'than 120 s'],
  [
    check({
      state: 'refused',
      code: 'memory_short',
      parameters: { free_mib: '100', needed_mib: '1200' }
    }),
    '100 MiB are free, 1200 MiB are needed'
  ],
  [check({ state: 'cancelled' }), 'was cancelled']
])('a check (%o) is shown as: %s', (one, words) => {
  expect(show({ checks: { byGPU: new Map([['GPU-1', one]]) } })).toContain(words);
});

test('a check that could not be started shows why', () => {
  const error = {
    gpu: 'GPU-1',
    code: 'memory_short',
    parameters: { free_mib: '7', needed_mib: '1200' }
  };
  expect(show({ checks: { error } })).toContain('7 MiB are free, 1200 MiB are needed');
});

test('without a healthy GPU there is nothing to check', () => {
  show({ gpus: { snapshot: snapshot({ gpus: [gpu({ state: 'lost' })] }) } });
  expect(screen.queryByRole('button', { name: 'Run a check' })).toBeNull();
});

test('the session shows what is left, and how many users are waiting', () => {
  const now = 1_000_000;
  const one = lease({
    now: now / 1000,
    ends_at: now / 1000 + 7200,
    idle: { limit_minutes: 30, since: now / 1000, ends_at: now / 1000 + 600 }
  });
  const text = show({ lease: { lease: one }, now });
  for (const part of ['2 h 0 min', '12.5 of 40 h in 7 days', '10 min', '3 people']) {
    expect(text).toContain(part);
  }
});

test('a session that ends soon shows it, by the clock of the server', () => {
  const one = lease({ now: 1000, ends_at: 1000 + 600 });
  const text = show({ lease: { lease: one, clockOffsetMs: 1_000_000 - 12_000 }, now: 12_000 });
  expect(text).toContain('10 min');
  expect(text).toContain('ends soon');
});

test('a session can be extended and its GPU released', () => {
  const [extendLease, releaseLease] = [vi.fn(), vi.fn()];
  show({ lease: { lease: lease() }, actions: { extendLease, releaseLease } });
  press('Extend');
  press('Stop server…');
  expect([extendLease, releaseLease].map(action => action.mock.calls.length)).toEqual([1, 1]);
});

test.each([
  ['unreachable', 'it is unknown how long'],
  ['refused', 'does not share session data'],
  ['stale', 'the last known state']
] as const)('a desk that is %s is shown as: %s', (state, words) => {
  expect(show({ lease: { lease: lease({ state }) } })).toContain(words);
});

test('without a hub there is no session', () => {
  show();
  expect(screen.queryByRole('region', { name: 'Session' })).toBeNull();
});

test.each([
  ['a lost GPU', snapshot({ gpus: [gpu({ state: 'lost' })] })],
  ['all GPUs lost', snapshot({ state: 'lost', gpus: [] })],
  ['a GPU that is reserved and not visible', snapshot({ state: 'no_gpu', gpus: [] })]
])('%s on a server of a hub offers a restart', (_name, found) => {
  const restartServer = vi.fn();
  const text = show({
    gpus: { snapshot: found },
    lease: { lease: lease() },
    actions: { restartServer }
  });
  expect(text).not.toContain('Hub Control Panel');
  press('Restart server…');
  expect(restartServer).toHaveBeenCalledOnce();
});

test('a server that was started without a GPU, or without a hub, offers no restart', () => {
  for (const one of [lease({ lease: null, state: 'no_lease' }), unmanaged()]) {
    show({ gpus: { snapshot: snapshot({ state: 'no_gpu', gpus: [] }) }, lease: { lease: one } });
    expect(screen.queryByRole('button', { name: 'Restart server…' })).toBeNull();
    cleanup();
  }
});

test('a part that fails does not affect the others', () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const expectIt = (event: Event): void => event.preventDefault();
  window.addEventListener('error', expectIt);
  const broken = { ...stack(), verdict: { usable: true, code: 'usable', parameters: {} } };
  const text = show({ gpus: { stack: broken as unknown as ReturnType<typeof stack> } });
  expect(text).toContain('42 %');
  expect(text).toContain('This part cannot be shown');
  window.removeEventListener('error', expectIt);
  vi.restoreAllMocks();
});

test('a simulated GPU is called so, and what that means is said', () => {
  const simulated = gpu({ simulated: true });
  const text = show({
    gpus: { snapshot: snapshot({ gpus: [simulated] }), stack: stack('simulated', false) }
  });
  expect(screen.getByRole('heading', { name: 'A100-SXM4-40GB (simulated)' })).toBeTruthy();
  expect(text.match(/This GPU is simulated: /g)).toHaveLength(2);
  expect(text).not.toContain('CUDA_VISIBLE_DEVICES');
  const button = screen.getByRole('button', { name: 'Run a check' });
  expect(button.hasAttribute('disabled')).toBe(true);
});

test('a GPU has the name that torch and the lab give it', () => {
  const gpus = [gpu(), gpu({ uuid: 'GPU-2', index: '1' })];
  const text = show({
    gpus: { snapshot: snapshot({ gpus }) },
    lease: { lease: lease({ host_gpus: { 'GPU-1': 3, 'GPU-2': 5 } }) }
  });
  expect(screen.getByRole('region', { name: 'cuda:1 · host GPU 5: A100-SXM4-40GB' })).toBeTruthy();
  expect(screen.getByRole('option', { name: 'cuda:0 · host GPU 3: A100-SXM4-40GB' })).toBeTruthy();
  expect(text).not.toContain('GPU 0');
});

test('many GPUs have short names, and long ones for who looks closer', () => {
  const gpus = Array.from({ length: 4 }, (_, place) =>
    gpu({ uuid: `GPU-${place}`, index: `${place}`, state: place === 2 ? 'lost' : 'ok' })
  );
  show({
    gpus: { snapshot: snapshot({ gpus }) },
    lease: { lease: lease({ host_gpus: { 'GPU-2': 7 } }) }
  });
  const row = screen.getByRole('button', { name: /^cuda:2 · host GPU 7: A100/ });
  expect(row.title).toBe('cuda:2 · host GPU 7\nGPU-2');
});

test('the only slice of a GPU is what torch calls cuda:0, and several have their own numbers', () => {
  const slice = gpu({ index: '0:3', mig_profile: '1g.5gb' });
  show({ gpus: { snapshot: snapshot({ gpus: [slice] }) } });
  expect(screen.getByRole('region', { name: /^cuda:0: A100/ })).toBeTruthy();
  cleanup();
  const other = gpu({ uuid: 'MIG-2', index: '0:4', mig_profile: '1g.5gb' });
  show({ gpus: { snapshot: snapshot({ gpus: [slice, other] }) } });
  expect(screen.getByRole('region', { name: /^MIG 0:4: A100/ })).toBeTruthy();
});
