import { beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../model/api';
import { Checks } from '../model/checks';
import type { ICheck } from '../model/contract';
import { GPUModel } from '../model/gpus';
import { FakeAPI, FakePage } from './fakes';
import { check } from './samples';

let server: FakeAPI;
let checks: Checks;

beforeEach(() => {
  server = new FakeAPI();
  const gpus = new GPUModel(server, new FakePage());
  gpus.watch();
  checks = new Checks(server, gpus);
});

test('a check is followed from start to end', async () => {
  await checks.run('GPU-1', 'python3');
  expect(checks.view.byGPU.get('GPU-1')).toMatchObject({ state: 'running', kernel: 'python3' });
  for (const [state, progress] of [
    ['running', 0.5],
    ['done', 1]
  ] as const) {
    server.socket.receive({ type: 'check', check: check({ started_at: 200, state, progress }) });
    expect(checks.view.byGPU.get('GPU-1')).toMatchObject({ state, progress });
  }
});

test('a late response does not make a finished check run again', async () => {
  server.socket.receive({ type: 'check', check: check({ started_at: 200 }) });
  await checks.run('GPU-1', 'python3');
  expect(checks.view.byGPU.get('GPU-1')?.state).toBe('done');
});

test('an older check does not replace a newer one', async () => {
  server.socket.receive({ type: 'check', check: check({ id: 'new', started_at: 300 }) });
  server.pastChecks = [check({ id: 'old', started_at: 100 })];
  await checks.load();
  expect(checks.view.byGPU.get('GPU-1')?.id).toBe('new');
});

test('an error is kept with its parameters until the next check starts', async () => {
  const parameters = { free_mib: '7', needed_mib: '1200' };
  server.failure = new APIError(409, 'memory_short', 'Too little memory.', parameters);
  await checks.run('GPU-1', '');
  expect(checks.view).toMatchObject({
    starting: false,
    error: { code: 'memory_short', parameters }
  });
  server.failure = null;
  await checks.run('GPU-1', '');
  expect(checks.view.error).toBeNull();
});

test('a second click while a check is starting does nothing', async () => {
  const startCheck = vi.spyOn(server, 'startCheck');
  await Promise.all([checks.run('GPU-1', ''), checks.run('GPU-1', '')]);
  expect(startCheck).toHaveBeenCalledOnce();
});

test('canceling calls the server, and shows its response', async () => {
  await checks.run('GPU-1', '');
  server.pastChecks = [check({ started_at: 200, state: 'cancelled' })];
  await checks.cancel(check());
  expect(server.cancelled).toEqual(['check-1']);
  expect(checks.view.byGPU.get('GPU-1')?.state).toBe('cancelled');
});

/** A check of which the given number of steps has ended and the next one runs. */
function running(revision: number | undefined, progress: number, stepState = 'running'): ICheck {
  const [step] = check().steps;
  return {
    ...check({ state: 'running', progress, started_at: 200 }),
    ...(revision !== undefined && { revision }),
    steps: [{ ...step, state: stepState } as ICheck['steps'][number]]
  };
}

test('a late response does not make a step that runs wait again', async () => {
  server.socket.receive({ type: 'check', check: running(2, 0) });
  server.startResponse = () => running(0, 0, 'waiting');
  await checks.run('GPU-1', 'python3');
  expect(checks.view.byGPU.get('GPU-1')?.steps[0]?.state).toBe('running');
});

test('a list that was requested before a frame does not replace it', async () => {
  server.pastChecks = [running(1, 0, 'waiting')];
  const loading = checks.load();
  server.socket.receive({ type: 'check', check: running(3, 0) });
  await loading;
  expect(checks.view.byGPU.get('GPU-1')?.revision).toBe(3);
});

test('without a number of changes, the progress never goes back', () => {
  server.socket.receive({ type: 'check', check: running(undefined, 0.4) });
  server.socket.receive({ type: 'check', check: running(undefined, 0.2) });
  expect(checks.view.byGPU.get('GPU-1')?.progress).toBe(0.4);
  server.socket.receive({ type: 'check', check: running(undefined, 0.4, 'done') });
  expect(checks.view.byGPU.get('GPU-1')?.steps[0]?.state).toBe('done');
});

test('an error does not hide a check of the same GPU that ends afterwards', async () => {
  server.socket.receive({ type: 'check', check: running(1, 0) });
  server.failure = new APIError(409, 'check_running');
  await checks.run('GPU-1', '');
  server.socket.receive({ type: 'check', check: check({ gpu: 'GPU-2', id: 'other' }) });
  expect(checks.view.error).toMatchObject({ gpu: 'GPU-1', code: 'check_running' });
  server.socket.receive({ type: 'check', check: check({ started_at: 200 }) });
  expect(checks.view.error).toBeNull();
});
