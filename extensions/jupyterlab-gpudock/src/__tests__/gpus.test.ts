import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../model/api';
import type { Frame, IEnvironments, IHistory, IStack } from '../model/contract';
import type { IPoint } from '../model/history';
import { GPUModel } from '../model/gpus';
import { FakeAPI, FakePage, Later } from './fakes';
import { check, gpu, process, snapshot, stack } from './samples';

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

test('requests nothing without watchers', async () => {
  await settle();
  expect(server.sockets).toHaveLength(0);
  expect(server.stackRefreshes).toHaveLength(0);
});

test('watchers share one stream, which closes with the last of them', () => {
  const first = model.watch();
  const second = model.watch();
  expect(server.openStreams).toBe(1);
  first.dispose();
  first.dispose();
  expect(server.openStreams).toBe(1);
  second.dispose();
  expect(server.openStreams).toBe(0);
});

test('the stream is closed while the page is hidden', () => {
  model.watch();
  page.setVisibility('hidden');
  expect(server.openStreams).toBe(0);
  page.setVisibility('visible');
  expect(server.openStreams).toBe(1);
  expect(model.view.problem).toBeNull();
});

test('a page that becomes visible without watchers opens no stream', () => {
  model.watch().dispose();
  page.setVisibility('hidden');
  page.setVisibility('visible');
  expect(server.openStreams).toBe(0);
});

test('the history is loaded from the server and continued with the stream', async () => {
  model.watch();
  server.socket.receive(snapshot({ time: 1000 }));
  await settle();
  expect(model.view.history.get('GPU-1')).toEqual([
    point(900, 10),
    { ...point(1000, 42), memory_used_mib: 31744, temperature_c: 64, power_w: 283.4 }
  ]);
  server.socket.receive(snapshot({ time: 1001, gpus: [gpu({ utilization_percent: 50 })] }));
  expect(model.view.history.get('GPU-1')).toHaveLength(3);
  server.socket.receive(snapshot({ time: 1550, gpus: [] }));
  expect(model.view.history.get('GPU-1')?.map(point => point.time)).toEqual([1000, 1001]);
});

test('the stack is loaded once, and again when the state of the GPUs changes', async () => {
  model.watch();
  server.socket.receive(snapshot());
  server.socket.receive(snapshot({ sequence: 2 }));
  await settle();
  expect(server.stackRefreshes).toEqual([false]);
  expect(model.view.stackStatus).toBe('ready');
  server.socket.receive(snapshot({ state: 'lost' }));
  await settle();
  expect(server.stackRefreshes).toHaveLength(2);
});

test('the stack follows the active kernel', async () => {
  model.setKernel('conda-old');
  expect(server.stackKernels).toEqual([]);
  model.watch();
  server.socket.receive(snapshot());
  await settle();
  model.setKernel('conda-old');
  model.setKernel('python3');
  await settle();
  expect(server.stackKernels).toEqual(['conda-old', 'python3']);
});

test('checking again bypasses the cache', async () => {
  await model.refreshStack();
  expect(server.stackRefreshes).toEqual([true]);
});

test('a stack that could not be loaded is requested again with the next snapshot', async () => {
  server.stackResponse = () => Promise.reject(new Error('no'));
  model.watch();
  server.socket.receive(snapshot());
  await settle();
  expect(model.view.stackStatus).toBe('failed');
  server.stackResponse = () => Promise.resolve(stack());
  server.socket.receive(snapshot());
  await settle();
  expect(model.view.stackStatus).toBe('ready');
});

test('a late response does not overwrite a newer one', async () => {
  let respondFirst: (value: ReturnType<typeof stack>) => void = () => undefined;
  server.stackResponse = () => new Promise(resolve => (respondFirst = resolve));
  const first = model.refreshStack();
  server.stackResponse = () => Promise.resolve(stack('usable'));
  await model.refreshStack();
  respondFirst(stack('lost', false));
  await first;
  expect(model.view.stack?.verdict.code).toBe('usable');
});

test.each([
  [new APIError(403), 'forbidden'],
  [new APIError(404), 'missing'],
  [new APIError(500), 'unreachable'],
  [new TypeError('network'), 'unreachable']
])('a REST call tells why the stream broke: %s', async (failure, problem) => {
  model.watch();
  server.socket.receive(snapshot());
  server.failure = failure;
  server.socket.breakConnection();
  await settle();
  expect(model.view.problem).toBe(problem);
  expect(model.view.snapshot).not.toBeNull();
  await vi.advanceTimersByTimeAsync(1000);
  server.socket.receive(snapshot());
  expect(model.view.problem).toBeNull();
});

test('a stale server is not a lost connection', () => {
  model.watch();
  server.socket.receive(snapshot());
  server.socket.receive({ type: 'stale', age_s: 8 });
  expect([model.view.stale, model.view.problem]).toEqual([true, null]);
  server.socket.receive(snapshot());
  expect(model.view.stale).toBe(false);
});

test('a disposed model closes its stream', () => {
  model.watch();
  model.dispose();
  expect(server.openStreams).toBe(0);
});

test('a delta is applied to the snapshot, and other GPUs stay the same objects', () => {
  model.watch();
  const other = gpu({ uuid: 'GPU-2', index: '1' });
  server.socket.receive(snapshot({ sequence: 7, gpus: [gpu(), other] }));
  const before = model.view.snapshot?.gpus;
  server.socket.receive({
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

test('a delta with another base restarts the stream', () => {
  model.watch();
  server.socket.receive(snapshot({ sequence: 7 }));
  server.socket.receive({ type: 'delta', sequence: 10, base: 9, time: 1003, columns: {} });
  expect(server.sockets).toHaveLength(2);
  expect(server.openStreams).toBe(1);
});

test('the fastest requested rate is sent to the server, and only when it changes', () => {
  const slow = model.watch(5);
  server.socket.open();
  const quick = model.watch(2);
  quick.dispose();
  model.watch();
  slow.dispose();
  expect(server.socket.sent).toEqual(
    [5, 2, 5, null].map(interval_s => ({ type: 'rate', interval_s }))
  );
});

test('the rate is sent again to a new connection', () => {
  model.watch(5);
  server.socket.open();
  server.socket.breakConnection();
  model.reconnect();
  server.socket.open();
  expect(server.socket.sent).toEqual([{ type: 'rate', interval_s: 5 }]);
});

test('a check is signaled, and an error frame is ignored', () => {
  const changed: string[] = [];
  model.checkChanged.connect((_sender, { id }) => void changed.push(id));
  model.watch();
  server.socket.receive({ type: 'check', check: check() });
  vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
  server.socket.receive({ type: 'error', code: 'bad_message', message: 'What?' });
  expect(changed).toEqual(['check-1']);
});

test('a single reading is taken only if no others come, and not on a hidden page', async () => {
  page.setVisibility('hidden');
  await model.readOnce();
  expect(model.view.snapshot).toBeNull();
  page.setVisibility('visible');
  await model.readOnce();
  expect(model.view.snapshot?.sequence).toBe(1);
  expect(server.sockets).toHaveLength(0);
  expect(server.stackRefreshes).toHaveLength(0);
});

test('the kernels are loaded after the stack', async () => {
  model.watch();
  server.socket.receive(snapshot());
  await settle();
  expect(model.view.environments?.default).toBe('python3');
});

test('a single reading that arrives after a frame of the stream is not shown', async () => {
  const late = new Later<Frame>();
  server.gpusResponse = () => late.response;
  const reading = model.readOnce();
  model.watch();
  server.socket.receive(snapshot({ sequence: 7 }));
  late.respond(snapshot({ sequence: 6 }));
  await reading;
  expect(model.view.snapshot?.sequence).toBe(7);
  server.socket.receive({ type: 'delta', sequence: 8, base: 7, time: 1001, columns: {} });
  expect(server.sockets).toHaveLength(1);
});

test('a single reading that fails after a frame of the stream is no problem', async () => {
  const late = new Later<Frame>();
  server.gpusResponse = () => late.response;
  const reading = model.readOnce();
  model.watch();
  server.socket.receive(snapshot());
  late.fail(new TypeError('network'));
  await reading;
  expect(model.view.problem).toBeNull();
});

test('of two single readings, the one that was requested last is shown', async () => {
  const late = new Later<Frame>();
  server.gpusResponse = () => late.response;
  const first = model.readOnce();
  server.gpusResponse = () => Promise.resolve(snapshot({ sequence: 3 }));
  await model.readOnce();
  late.respond(snapshot({ sequence: 2 }));
  await first;
  expect(model.view.snapshot?.sequence).toBe(3);
});

test('a late list of kernels does not replace a newer one', async () => {
  const late = new Later<IEnvironments>();
  server.environmentsResponse = () => late.response;
  const first = model.refreshStack();
  await settle();
  server.environmentsResponse = () => Promise.resolve({ default: 'new', environments: [] });
  await model.refreshStack();
  late.respond({ default: 'old', environments: [] });
  await first;
  expect(model.view.environments?.default).toBe('new');
});

test('a stack that was requested for another kernel is not shown', async () => {
  const late = new Later<IStack>();
  server.stackResponse = () => late.response;
  const first = model.refreshStack();
  model.setKernel('conda-old');
  late.respond(stack());
  await first;
  expect(model.view.stack).toBeNull();
});

test('a late history does not remove what came over the stream', async () => {
  const late = new Later<IHistory>();
  server.historyResponse = () => late.response;
  model.watch();
  server.socket.receive(snapshot({ sequence: 1, time: 1000 }));
  server.socket.receive(snapshot({ sequence: 2, time: 1001 }));
  late.respond(await new FakeAPI().history());
  await settle();
  expect(model.view.history.get('GPU-1')?.map(({ time }) => time)).toEqual([900, 1000, 1001]);
});

test('a late reason for a broken stream does not replace a newer one', async () => {
  const late = new Later<Frame>();
  model.watch();
  server.socket.receive(snapshot());
  server.gpusResponse = () => late.response;
  server.socket.breakConnection();
  server.gpusResponse = () => Promise.reject(new TypeError('network'));
  await vi.advanceTimersByTimeAsync(1000);
  server.socket.breakConnection();
  await settle();
  late.fail(new APIError(404));
  await settle();
  expect(model.view.problem).toBe('unreachable');
});
