import type { TranslationBundle } from '@jupyterlab/translation';
import { cleanup } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import catalog from '../../jupyterlab_gpudock/locale/zh_CN/LC_MESSAGES/jupyterlab_gpudock.json';
import type { GPUState, ICheckStep } from '../model/contract';
import { incidentAdvice, incidentMessage } from '../messages/limits';
import { DEFAULTS } from '../model/settings';
import { statusText } from '../messages/status';
import {
  check,
  gpu,
  kernelState,
  lease,
  limits,
  process,
  snapshot,
  stack,
  unmanaged
} from './samples';
import { type IChanges, panelView, renderPanel } from './renderPanel';

const translations = catalog as unknown as Record<string, string[]>;

function filled(text: string, values: unknown[]): string {
  return values.reduce<string>(
    (found, value, place) => found.replaceAll(`%${place + 1}`, String(value)),
    translations[text]?.[0] ?? text
  );
}

/** A translator with the Chinese catalog of this extension. */
const trans = {
  __: (text: string, ...values: unknown[]) => filled(text, values),
  _n: (one: string, _many: string, count: number, ...values: unknown[]) =>
    filled(one, [count, ...values])
} as unknown as TranslationBundle;
const display = { trans, preferences: DEFAULTS };

/** What is the same in any language: names, and a command to type. */
const NAMES =
  /A100-SXM4-40GB|python -m pip uninstall torch|Python 3|train\.ipynb|jupyter server extension enable/g;
/** Two Latin words in a row can be a name; three, or two with a full stop, are a sentence. */
const ENGLISH = /[A-Za-z']{2,}[,;:]? [a-z']{2,}([,;:]? [A-Za-z']+|[.!?])/;

/** Return the English sentences in a part of the page, except what programs reported. */
function englishIn(root: HTMLElement): string[] {
  root.querySelectorAll('[lang="en"]').forEach(quote => quote.remove());
  const found: string[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const texts =
      node instanceof HTMLElement
        ? ['aria-label', 'title', 'aria-valuetext', 'placeholder'].map(name =>
            node.getAttribute(name)
          )
        : [node.textContent];
    found.push(...texts.filter(text => text !== null).map(text => text.replace(NAMES, '…')));
  }
  return found.filter(text => ENGLISH.test(text));
}

function show(changes: IChanges): HTMLElement {
  return renderPanel(changes, display);
}

afterEach(cleanup);

const DETAIL = 'Unknown Error reported by the driver.';
const STATES: Exclude<GPUState, 'ok'>[] = [
  'no_driver',
  'no_gpu',
  'version_mismatch',
  'lost',
  'hanging',
  'interrupted',
  'failed'
];
const VERDICTS = [
  ...['no_gpu_given', 'gpu_not_visible', 'gpu_not_passed', 'driver_library_missing'],
  ...['libcuda_missing', 'uvm_missing', 'mig_without_slices', 'torch_crashed', 'compute_failed'],
  ...['torch_cpu_only_user_package', 'torch_user_package', 'gpu_too_new', 'gpu_too_old'],
  ...['devices_hidden', 'nvcc_missing', 'cudnn_library_path', 'cudnn_user_package'],
  'cudnn_elsewhere',
  ...['usable', 'usable_without_cudnn', ...STATES, 'no_python', 'python_missing'],
  ...['python_broken', 'probe_timeout', 'torch_missing', 'torch_broken', 'torch_cpu_only'],
  ...['driver_too_old', 'arch_missing', 'cuda_unavailable', 'cudnn_mismatch', 'ptx_only'],
  ...['minor_compatibility', 'forward_compatibility', 'cudnn_newer', 'simulated'],
  'of_a_newer_server'
];
const PARAMETERS = {
  ...{ detail: DETAIL, cuda: '13.0', needed: '580', driver: '550', capability: '8.0' },
  ...{ built: '9.1.0', loaded: '9.0.0', archs: 'sm_80', limit_s: '120' },
  ...{ free_mib: '100', needed_mib: '1200' }
};
const CHECK_ERRORS = [
  ...['memory_short', 'check_running', 'no_kernel', 'no_python', 'no_gpu', 'no_driver'],
  ...['version_mismatch', 'lost', 'hanging', 'failed', 'simulated', 'bad_request', '']
];
const ENDS = [
  ...['timeout', 'cuda_unavailable', 'torch_missing', 'torch_broken', 'environment_broken'],
  ...['memory_short', 'crashed', 'of_a_newer_server']
];
const OUTCOMES: Pick<ICheckStep, 'state' | 'code' | 'ratio'>[] = [
  ...(['waiting', 'running'] as const).map(state => ({ state, code: null, ratio: null })),
  ...[null, 0.5, 1, 3].map(ratio => ({ state: 'done' as const, code: null, ratio })),
  ...(['skipped', 'failed'] as const).flatMap(state =>
    [null, 'no_cudnn', 'no_bf16', 'no_tf32', 'check_ended', 'error', 'of_a_newer_server'].map(
      code => ({ state, code, ratio: null })
    )
  )
];
const VALUES = { on_ms: 1, off_ms: 2, to_gpu_pinned_gb_s: 3, from_gpu_pageable_gb_s: 4 };

function* states(): Generator<[string, IChanges]> {
  for (const state of STATES) {
    const gone = snapshot({ state, detail: DETAIL, gpus: [] });
    const unwell = snapshot({ gpus: [gpu({ state, detail: DETAIL })] });
    for (const one of [unmanaged(), lease(), lease({ lease: null, state: 'no_lease' })]) {
      yield [`${state}, ${one.state}`, { gpus: { snapshot: gone }, lease: { lease: one } }];
      yield [`a GPU ${state}`, { gpus: { snapshot: unwell }, lease: { lease: one } }];
    }
    const many = Array.from({ length: 16 }, (_, place) =>
      gpu({ uuid: `GPU-${place}`, index: `${place}`, state: place ? 'ok' : state })
    );
    yield [`16 GPUs, one ${state}`, { gpus: { snapshot: snapshot({ gpus: many }) } }];
  }
  for (const problem of ['forbidden', 'missing', 'unreachable'] as const) {
    yield [problem, { gpus: { problem } }];
    yield [`${problem} at once`, { gpus: { problem, snapshot: null } }];
  }
  yield ['stale', { gpus: { stale: true } }];
  yield ['no reading yet', { gpus: { snapshot: null } }];
  for (const metric of ['not_supported', 'not_available', 'nonsense'] as const) {
    const unknown = gpu({
      ...{ utilization_percent: metric, memory_used_mib: metric, temperature_c: metric },
      ...{ power_w: metric, sm_clock_mhz: metric, throttle: metric, processes: metric }
    });
    yield [`readings ${metric}`, { gpus: { snapshot: snapshot({ gpus: [unknown] }) } }];
  }
  const troubled = gpu({
    ...{ memory_used_mib: 40_900, temperature_c: 99, utilization_percent: 100 },
    throttle: ['sw_power_cap', 'sync_boost', 'sw_thermal', 'hw_thermal', 'hw_power_brake'],
    health: ['ecc_uncorrected', 'remap_pending', 'remap_failed', 'retirement_pending', 'no_slices'],
    ...{ ecc_uncorrected: 2, nvlinks: 4, mig_profile: '1g.5gb' }
  });
  yield ['a simulated GPU', { gpus: { snapshot: snapshot({ gpus: [gpu({ simulated: true })] }) } }];
  yield ['a GPU with problems', { gpus: { snapshot: snapshot({ gpus: [troubled] }) } }];
  const processes = [
    process(),
    process({ kind: 'mps', certainty: 'probable', reason: 'only_candidate' }),
    process({ owner: { kind: 'terminal', terminal: '1' } }),
    process({ owner: { kind: 'server' } }),
    process({ owner: { kind: 'kernel', session_type: 'console', kernel_name: 'python3' } }),
    ...(['foreign', 'hidden', 'ambiguous', 'vanished'] as const).map(reason =>
      process({ owner: null, name: null, certainty: 'unknown', reason, memory_mib: 'nonsense' })
    )
  ].map((one, pid) => ({ ...one, pid }));
  yield ['processes', { gpus: { snapshot: snapshot({ gpus: [gpu({ processes })] }) } }];
  for (const code of VERDICTS) {
    const found = stack(code, false, PARAMETERS);
    found.verdict.findings.forEach(finding => (finding.message = DETAIL));
    yield [`verdict ${code}`, { gpus: { stack: found } }];
  }
  yield ['stack failed', { gpus: { stack: null, stackStatus: 'failed' } }];
  yield ['stack loading', { gpus: { stack: null, stackStatus: 'loading' } }];
  for (const status of ['none', 'unsupported', 'waiting', 'busy', 'known', 'failed'] as const) {
    yield [`kernel ${status}`, { kernel: { status } }];
    const state = kernelState({ autocast: true, autocast_dtype: 'bfloat16', errors: [DETAIL] });
    yield [`kernel ${status} with torch`, { kernel: { status, state, releasing: true } }];
  }
  for (const reason of ['released', 'torch_not_loaded', 'cuda_not_used', 'failed'] as const) {
    for (const freed of [0, 512]) {
      const released = {
        ...{ done: true, reason, before: [], after: [], freed_mib: freed, errors: [DETAIL] }
      };
      yield [`memory ${reason}`, { kernel: { status: 'known', released } }];
    }
  }
  for (const code of CHECK_ERRORS) {
    yield [
      `check error ${code}`,
      { checks: { error: { gpu: 'GPU-1', code, parameters: PARAMETERS } } }
    ];
  }
  for (const code of ENDS) {
    for (const state of ['failed', 'refused', 'cancelled'] as const) {
      const one = check({ state, code, message: DETAIL, parameters: PARAMETERS });
      yield [`check ${state} ${code}`, { checks: { byGPU: new Map([['GPU-1', one]]) } }];
    }
  }
  for (const name of ['cudnn', 'fp16', 'bf16', 'tf32', 'bandwidth'] as const) {
    for (const outcome of OUTCOMES) {
      const step = { ...outcome, name, values: VALUES, detail: DETAIL };
      const one = check({ state: 'running', progress: 0.4, steps: [step] });
      yield [`step ${name} ${outcome.state}`, { checks: { byGPU: new Map([['GPU-1', one]]) } }];
    }
  }
  for (const state of ['ok', 'stale', 'unreachable', 'refused', 'no_lease'] as const) {
    for (const because of ['time', 'hours', 'group_hours', 'idle', null] as const) {
      const one = lease({
        ...{ state, message: DETAIL, why: DETAIL, ends_because: because },
        idle: { limit_minutes: 30, since: 1, ends_at: Date.now() / 1000 + 600 }
      });
      yield [`session ${state} ${because}`, { lease: { lease: one } }];
    }
  }
  const full = { limit: 100, used: 99 };
  for (const known of [
    limits(),
    limits({ memory_mib: full, shm_mib: full, memory_kills: 2, threads: 9 })
  ]) {
    yield ['limits', { limits: { limits: known } }];
  }
  for (const action of ['extend', 'release', 'restart'] as const) {
    yield [`${action} is pending`, { lease: { lease: lease(), pending: action } }];
    for (const code of ['unreachable', 'refused', 'no_lease', 'unmanaged', 'not_done', '']) {
      yield [`${action} ${code}`, { lease: { lease: lease(), error: { action, code } } }];
    }
  }
}

test.each([...states()])('in Chinese, %s has no English sentence', (_name, changes) => {
  expect(englishIn(show(changes))).toEqual([]);
});

test('in Chinese the status bar has no English sentence', () => {
  for (const state of STATES) {
    const gpus = [gpu({ state }), gpu({ uuid: 'GPU-2', index: '1' })];
    const view = panelView({ gpus: { snapshot: snapshot({ gpus }) } });
    const status = statusText(view.gpus, false, display);
    const bar = document.createElement('button');
    bar.title = status?.title ?? '';
    bar.textContent = status?.text ?? '';
    const root = document.createElement('div');
    root.append(bar);
    expect(englishIn(root)).toEqual([]);
    expect(status?.title).not.toContain(state);
  }
});

test('in Chinese, what happened to a kernel has no English sentence', () => {
  const causes = [
    ...(['memory', 'host_memory', 'shm', 'processes', 'open_files', 'signal', 'exit'] as const)
  ];
  const root = document.createElement('div');
  for (const cause of causes) {
    for (const ended of [true, false]) {
      for (const exitCode of [null, 1]) {
        const incident = {
          ...{ cause, ended, exitCode, signal: null, limits: limits(), title: 'a.ipynb' }
        };
        root.append(incidentMessage(incident, display), ...incidentAdvice(incident, display));
      }
    }
  }
  expect(englishIn(root)).toEqual([]);
});

test('English sentences are found', () => {
  const view = show({ gpus: { problem: 'unreachable' } });
  expect(englishIn(view)).toEqual([]);
  view.append('You have no hours left.');
  expect(englishIn(view)).toEqual(['You have no hours left.']);
});
