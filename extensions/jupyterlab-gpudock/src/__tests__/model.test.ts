import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../api';
import { GPUModel, type Visibility } from '../model';
import { gpu, HandheldAPI, snapshot, stack } from './pretend';

class HandheldPage implements Visibility {
  visibilityState: DocumentVisibilityState = 'visible';
  private listener: (() => void) | null = null;

  addEventListener(_type: string, listener: unknown): void {
    this.listener = listener as () => void;
  }

  removeEventListener(): void {
    this.listener = null;
  }

  turn(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    this.listener?.();
  }
}

let server: HandheldAPI;
let page: HandheldPage;
let model: GPUModel;

beforeEach(() => {
  vi.useFakeTimers();
  server = new HandheldAPI();
  page = new HandheldPage();
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
  expect(model.view.trouble).toBeNull();
});

test('a page that becomes visible with nobody watching opens nothing', () => {
  model.watch().dispose();
  page.turn('hidden');
  page.turn('visible');
  expect(server.open).toBe(0);
});

test('the past comes from the server and goes on with the stream', async () => {
  model.watch();
  server.socket.send(snapshot({ time: 1000 }));
  await settle();
  expect(model.view.history.get('GPU-1')).toEqual([
    { time: 900, use: 10 },
    { time: 1000, use: 42 }
  ]);
  server.socket.send(snapshot({ time: 1001, gpus: [gpu({ utilization_percent: 50 })] }));
  expect(model.view.history.get('GPU-1')).toHaveLength(3);
  server.socket.send(snapshot({ time: 1550, gpus: [] }));
  expect(model.view.history.get('GPU-1')?.map(point => point.time)).toEqual([1000, 1001]);
});

test('the stack is asked for once, and again when the GPUs change their state', async () => {
  model.watch();
  server.socket.send(snapshot());
  server.socket.send(snapshot({ sequence: 2 }));
  await settle();
  expect(server.stacksAsked).toEqual([false]);
  expect(model.view.stackStatus).toBe('ready');
  server.socket.send(snapshot({ state: 'lost' }));
  await settle();
  expect(server.stacksAsked).toHaveLength(2);
});

test('the stack follows the kernel that is worked in', async () => {
  model.setKernel('conda-old');
  expect(server.kernelsAsked).toEqual([]);
  model.watch();
  server.socket.send(snapshot());
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
  server.socket.send(snapshot());
  await settle();
  expect(model.view.stackStatus).toBe('failed');
  server.stackAnswer = () => Promise.resolve(stack());
  server.socket.send(snapshot());
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
])('a stream that breaks is explained by what the server says: %s', async (failure, trouble) => {
  model.watch();
  server.socket.send(snapshot());
  server.failure = failure;
  server.socket.breakOff();
  await settle();
  expect(model.view.trouble).toBe(trouble);
  expect(model.view.snapshot).not.toBeNull();
  await vi.advanceTimersByTimeAsync(1000);
  server.socket.send(snapshot());
  expect(model.view.trouble).toBeNull();
});

test('a stale server is told from a lost connection', () => {
  model.watch();
  server.socket.send(snapshot());
  server.socket.send({ type: 'stale', age_s: 8 });
  expect([model.view.stale, model.view.trouble]).toEqual([true, null]);
  server.socket.send(snapshot());
  expect(model.view.stale).toBe(false);
});

test('a model that is disposed of closes its stream', () => {
  model.watch();
  model.dispose();
  expect(server.open).toBe(0);
});
