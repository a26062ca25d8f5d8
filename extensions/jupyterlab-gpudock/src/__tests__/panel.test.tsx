import { nullTranslator } from '@jupyterlab/translation';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';

import type { IGPU } from '../api';
import { Panel } from '../components/panel';
import { pathOf } from '../components/sparkline';
import { showAge, showMemory, showPower, showTemperature, showUse } from '../format';
import type { IGPUView } from '../tokens';
import { gpu, snapshot, stack } from './pretend';

const trans = nullTranslator.load('jupyterlab_gpudock');

afterEach(cleanup);

function show(changes: Partial<IGPUView> = {}): {
  text: string;
  onRefreshStack: () => void;
  onReconnect: () => void;
} {
  const view: IGPUView = {
    snapshot: snapshot(),
    takenAt: 0,
    stale: false,
    trouble: null,
    history: new Map(),
    lease: { managed: false, lease: null },
    stack: stack(),
    stackStatus: 'ready',
    ...changes
  };
  const onRefreshStack = vi.fn();
  const onReconnect = vi.fn();
  const { container } = render(
    <Panel
      view={view}
      now={12000}
      trans={trans}
      onRefreshStack={onRefreshStack}
      onReconnect={onReconnect}
    />
  );
  return { text: container.textContent, onRefreshStack, onReconnect };
}

test('a GPU is a card with its numbers, and bars that a screen reader can say', () => {
  const { text } = show();
  expect(screen.getByRole('region', { name: 'GPU 0: A100-SXM4-40GB' })).toBeTruthy();
  for (const part of ['42 %', '31.0 / 40.0 GiB', '64 °C', '283 / 400 W', '1305 / 1410 MHz']) {
    expect(text).toContain(part);
  }
  const memory = screen.getByRole('meter', { name: 'Memory' });
  expect(memory.getAttribute('aria-valuetext')).toBe('31.0 / 40.0 GiB');
  expect(memory.getAttribute('aria-valuenow')).toBe('78');
});

test('a MIG slice shows its profile, and says that its use is not reported', () => {
  const slice = gpu({ mig_profile: '1g.5gb', utilization_percent: 'not_supported' });
  const { text } = show({ snapshot: snapshot({ gpus: [slice] }) });
  expect(text).toContain('MIG 1g.5gb');
  expect(text).toContain('not reported');
  expect(screen.queryByRole('meter', { name: 'Use' })).toBeNull();
});

test('the stack card has versions and the verdict', () => {
  const { text, onRefreshStack } = show();
  for (const part of ['550.54.15', 'up to 12.4', '2.6.0+cu124', '9.1.0', '3.13.1']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Usable: torch computes on the GPU, with cuDNN.');
  fireEvent.click(screen.getByRole('button', { name: 'Check again' }));
  expect(onRefreshStack).toHaveBeenCalledOnce();
});

test.each([
  ['no_gpu', null, 'No GPU on this machine'],
  ['no_driver', null, 'No NVIDIA driver'],
  ['version_mismatch', null, 'Driver update is not finished'],
  ['lost', null, 'GPU lost'],
  ['failed', null, 'GPU cannot be read'],
  ['no_gpu', { managed: true, lease: null }, 'No GPU was requested'],
  ['no_driver', { managed: true, lease: null }, 'No GPU was requested'],
  ['no_gpu', { managed: true, lease: 'lease-7' }, 'Your GPU is not visible']
] as const)('%s (lease: %o) is told as: %s', (state, lease, title) => {
  const { text } = show({ snapshot: snapshot({ state, gpus: [] }), lease });
  expect(text).toContain(title);
  expect(screen.queryByRole('meter')).toBeNull();
});

test('a GPU that is lost keeps its card beside the healthy one', () => {
  const { text } = show({
    snapshot: snapshot({ gpus: [gpu(), gpu({ uuid: 'GPU-2', index: '1', state: 'lost' })] })
  });
  expect(screen.getAllByRole('region', { name: /^GPU \d/ })).toHaveLength(2);
  expect(screen.getByRole('alert').textContent).toContain('GPU lost');
  expect(text).toContain('42 %');
});

test('before the first reading the panel says what it does', () => {
  expect(show({ snapshot: null, stack: null }).text).toBe('Looking for GPUs…');
});

test('a lost connection shows the age of what is seen, and can be tried at once', () => {
  const { text, onReconnect } = show({ trouble: 'unreachable' });
  expect(text).toContain('Connection lost – reconnecting');
  expect(text).toContain('What you see is 12 s old.');
  fireEvent.click(screen.getByRole('button', { name: 'Try now' }));
  expect(onReconnect).toHaveBeenCalledOnce();
});

test.each([
  ['forbidden', 'Signed out'],
  ['missing', 'Server part is missing']
] as const)('%s is told as: %s', (trouble, title) => {
  expect(show({ trouble, snapshot: null }).text).toContain(title);
});

test('a driver that does not answer is told with the age of what is seen', () => {
  const { text } = show({ stale: true });
  expect(text).toContain('GPU does not answer');
  expect(text).toContain('has not answered for 12 s');
});

test.each([
  ['usable_without_cudnn', true, {}, 'no cuDNN'],
  ['no_gpu', false, {}, 'this server has no GPU'],
  ['no_driver', false, {}, 'this server has no GPU'],
  ['version_mismatch', false, {}, 'until the machine is restarted'],
  ['lost', false, {}, 'the GPU is lost'],
  ['failed', false, {}, 'cannot be read'],
  ['torch_missing', false, {}, 'not installed in this environment'],
  ['torch_broken', false, { detail: 'libcudnn.so.9: cannot open' }, 'libcudnn.so.9: cannot open.'],
  ['torch_cpu_only', false, {}, 'built for the CPU only'],
  [
    'driver_too_old',
    false,
    { cuda: '12.4', needed: '525.60.13', driver: '470.57.02' },
    'torch’s CUDA 12.4 needs driver 525.60.13 or newer, and this one is 470.57.02'
  ],
  ['cuda_unavailable', false, {}, 'torch cannot open CUDA'],
  ['no_python', false, {}, 'not a plain Python kernel'],
  ['python_broken', false, { detail: 'no site module' }, 'does not start. no site module.'],
  ['probe_timeout', false, {}, 'did not answer in time']
])('the verdict %s in words', (code, usable, parameters, words) => {
  expect(show({ stack: stack(code, usable, parameters) }).text).toContain(words);
});

test('a stack that could not be asked for says so', () => {
  const { text } = show({ stack: null, stackStatus: 'failed' });
  expect(text).toContain('could not look at the environment');
});

test.each<[keyof typeof shows, Partial<IGPU>, string, string, string]>([
  ['memory', { memory_used_mib: 30000 }, '29.3 / 40.0 GiB', 'normal', ''],
  ['memory', { memory_used_mib: 34816 }, '34.0 / 40.0 GiB', 'notice', 'filling up'],
  ['memory', { memory_used_mib: 38912 }, '38.0 / 40.0 GiB', 'alarm', 'nearly full'],
  ['memory', { memory_total_mib: 'not_supported' }, '31.0 GiB', 'normal', ''],
  ['memory', { memory_used_mib: 'not_supported' }, 'not reported', 'normal', ''],
  ['temperature', { temperature_c: 84 }, '84 °C', 'normal', ''],
  ['temperature', { temperature_c: 85 }, '85 °C', 'notice', 'hot'],
  ['temperature', { temperature_c: 92 }, '92 °C', 'alarm', 'too hot'],
  [
    'temperature',
    { temperature_c: 90, temperature_slowdown_c: 'not_supported' },
    '90 °C',
    'alarm',
    'too hot'
  ],
  ['use', { utilization_percent: 0 }, '0 %', 'normal', 'idle'],
  ['use', { utilization_percent: 95 }, '95 %', 'normal', 'busy'],
  ['use', { utilization_percent: 'not_available' }, 'unknown', 'normal', ''],
  ['power', { power_limit_w: 'not_supported' }, '283 W', 'normal', '']
])('%s of %o', (metric, changes, text, level, word) => {
  expect(shows[metric](gpu(changes), trans)).toEqual({ text, level, word });
});

const shows = {
  memory: showMemory,
  temperature: showTemperature,
  use: showUse,
  power: showPower
};

test.each([
  [0, '0 s'],
  [89000, '89 s'],
  [120000, '2 min'],
  [7200000, '2 h']
])('%d ms are %s', (milliseconds, words) => {
  expect(showAge(milliseconds, trans)).toBe(words);
});

test('the line breaks where nobody looked, and ends at the right edge', () => {
  const points = [0, 1, 2, 40, 41].map(time => ({ time, use: 50 }));
  const path = pathOf(points, 1);
  expect(path.match(/M/g)).toHaveLength(2);
  expect(path).toMatch(/L200\.0 14\.0$/);
});
