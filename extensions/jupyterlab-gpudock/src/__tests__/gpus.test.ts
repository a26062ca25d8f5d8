import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../model/api';
import type { IPoint } from '../model/history';
import { GPUModel } from '../model/gpus';
import { check, gpu, FakeAPI, FakePage, process, snapshot, stack } from './fakes';

function point(time: number, use: number): IPoint {
  return {
    time,
    utilization_percent: use,
    memory_used_mib: null,
    temperature_c: null,
    power_w: null
  };
}

let server: FakeAPI;
let page: FakePage;
let model: GPUModel;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeAPI();
  page = new FakePage();
  model = new GPUModel(server, page);
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

test('asks for nothing before somebody watches', async () => {
  await settle();
  expect(server.sockets).toHaveLength(0);
  expect(server.stacksAsked).toHaveLength(0);
});

test('many who watch share one stream, and the last to go closes it', () => {
  const first = model.watch();
  const second = model.watch();
  expect(server.open).toBe(1);
  first.dispose();
  first.dispose();
  expect(server.open).toBe(1);
  second.dispose();
  expect(server.open).toBe(0);
});

test('a hidden page closes the stream, and a visible one opens it again', () => {
  model.watch();
  page.turn('hidden');
  expect(server.open).toBe(0);
  page.turn('visible');
  expect(server.open).toBe(1);
  expect(model.view.problem).toBeNull();
});

test('a page that becomes visible with nobody watching opens nothing', () => {
  model.watch().dispose();
  page.turn('hidden');
  page.turn('visible');
  expect(server.open).toBe(0);
});

test('the past comes from the server and goes on with the stream', async () => {
  model.watch();
  server.socket.say(snapshot({ time: 1000 }));
  await settle();
  expect(model.view.history.get('GPU-1')).toEqual([
    point(900, 10),
    { ...point(1000, 42), memory_used_mib: 31744, temperature_c: 64, power_w: 283.4 }
  ]);
  server.socket.say(snapshot({ time: 1001, gpus: [gpu({ utilization_percent: 50 })] }));
  expect(model.view.history.get('GPU-1')).toHaveLength(3);
  server.socket.say(snapshot({ time: 1550, gpus: [] }));
  expect(model.view.history.get('GPU-1')?.map(point => point.time)).toEqual([1000, 1001]);
});

test('the stack is asked for once, and again when the GPUs change their state', async () => {
  model.watch();
  server.socket.say(snapshot());
  server.socket.say(snapshot({ sequence: 2 }));
  await settle();
  expect(server.stacksAsked).toEqual([false]);
  expect(model.view.stackStatus).toBe('ready');
  server.socket.say(snapshot({ state: 'lost' }));
  await settle();
  expect(server.stacksAsked).toHaveLength(2);
});

test('the stack follows the kernel that is worked in', async () => {
  model.setKernel('conda-old');
  expect(server.kernelsAsked).toEqual([]);
  model.watch();
  server.socket.say(snapshot());
  await settle();
  model.setKernel('conda-old');
  model.setKernel('python3');
  await settle();
  expect(server.kernelsAsked).toEqual(['conda-old', 'python3']);
});

test('checking again asks past the cache', async () => {
  await model.refreshStack();
  expect(server.stacksAsked).toEqual([true]);
});

test('a stack that cannot be had is tried again with the next snapshot', async () => {
  server.stackAnswer = () => Promise.reject(new Error('no'));
  model.watch();
  server.socket.say(snapshot());
  await settle();
  expect(model.view.stackStatus).toBe('failed');
  server.stackAnswer = () => Promise.resolve(stack());
  server.socket.say(snapshot());
  await settle();
  expect(model.view.stackStatus).toBe('ready');
});

test('an answer that was overtaken does not overwrite the newer one', async () => {
  let answerFirst: (value: ReturnType<typeof stack>) => void = () => undefined;
  server.stackAnswer = () => new Promise(resolve => (answerFirst = resolve));
  const first = model.refreshStack();
  server.stackAnswer = () => Promise.resolve(stack('usable'));
  await model.refreshStack();
  answerFirst(stack('lost', false));
  await first;
  expect(model.view.stack?.verdict.code).toBe('usable');
});

test.each([
  [new APIError(403), 'forbidden'],
  [new APIError(404), 'missing'],
  [new APIError(500), 'unreachable'],
  [new TypeError('network'), 'unreachable']
])('a stream that breaks is explained by what the server says: %s', async (failure, problem) => {
  model.watch();
  server.socket.say(snapshot());
  server.failure = failure;
  server.socket.breakOff();
  await settle();
  expect(model.view.problem).toBe(problem);
  expect(model.view.snapshot).not.toBeNull();
  await vi.advanceTimersByTimeAsync(1000);
  server.socket.say(snapshot());
  expect(model.view.problem).toBeNull();
});

test('a stale server is told from a lost connection', () => {
  model.watch();
  server.socket.say(snapshot());
  server.socket.say({ type: 'stale', age_s: 8 });
  expect([model.view.stale, model.view.problem]).toEqual([true, null]);
  server.socket.say(snapshot());
  expect(model.view.stale).toBe(false);
});

test('a model that is disposed of closes its stream', () => {
  model.watch();
  model.dispose();
  expect(server.open).toBe(0);
});

test('a delta is laid over the snapshot, and leaves alone what did not change', () => {
  model.watch();
  const other = gpu({ uuid: 'GPU-2', index: '1' });
  server.socket.say(snapshot({ sequence: 7, gpus: [gpu(), other] }));
  const before = model.view.snapshot?.gpus;
  server.socket.say({
    type: 'delta',
    sequence: 8,
    base: 7,
    time: 1001,
    columns: { utilization_percent: [55, null], throttle: [['sw_thermal'], null] },
    processes: { '0': [process()] }
  });
  const after = model.view.snapshot?.gpus;
  expect(after?.[0]).toMatchObject({ utilization_percent: 55, throttle: ['sw_thermal'] });
  expect(after?.[0]?.processes).toHaveLength(1);
  expect(after?.[0]?.memory_used_mib).toBe(31744);
  expect(after?.[1]).toBe(before?.[1]);
  expect(model.view.history.get('GPU-1')?.at(-1)?.utilization_percent).toBe(55);
});

test('a delta that does not fit begins the stream anew', () => {
  model.watch();
  server.socket.say(snapshot({ sequence: 7 }));
  server.socket.say({ type: 'delta', sequence: 10, base: 9, time: 1003, columns: {} });
  expect(server.sockets).toHaveLength(2);
  expect(server.open).toBe(1);
});

test('the fastest wish is told to the server, and only what is no matter of course', () => {
  const slow = model.watch(5);
  server.socket.open();
  const quick = model.watch(2);
  quick.dispose();
  model.watch();
  slow.dispose();
  expect(server.socket.told).toEqual(
    [5, 2, 5, null].map(interval_s => ({ type: 'rate', interval_s }))
  );
});

test('a new connection is told the wish again', () => {
  model.watch(5);
  server.socket.open();
  server.socket.breakOff();
  model.reconnect();
  server.socket.open();
  expect(server.socket.told).toEqual([{ type: 'rate', interval_s: 5 }]);
});

test('a check that the server tells of is passed on, and garbage does no harm', () => {
  const told: string[] = [];
  model.checkChanged.connect((_sender, { id }) => void told.push(id));
  model.watch();
  server.socket.say({ type: 'check', check: check() });
  vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
  server.socket.say({ type: 'error', code: 'bad_message', message: 'What?' });
  expect(told).toEqual(['check-1']);
});

test('a single reading is taken only where none come, and not for a hidden page', async () => {
  page.turn('hidden');
  await model.readOnce();
  expect(model.view.snapshot).toBeNull();
  page.turn('visible');
  await model.readOnce();
  expect(model.view.snapshot?.sequence).toBe(1);
  expect(server.sockets).toHaveLength(0);
  expect(server.stacksAsked).toHaveLength(0);
});

test('the kernels are known beside the stack', async () => {
  model.watch();
  server.socket.say(snapshot());
  await settle();
  expect(model.view.environments?.default).toBe('python3');
});
