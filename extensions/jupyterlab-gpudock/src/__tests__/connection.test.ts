import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Connection } from '../model/connection';
import { FakeAPI } from './fakes';
import { snapshot } from './samples';

let server: FakeAPI;
let connection: Connection;
let frames: number;
let losses: number;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeAPI();
  frames = 0;
  losses = 0;
  connection = new Connection({
    open: () => server.openStream(),
    onOpen: () => undefined,
    onFrame: () => (frames += 1),
    onLost: () => (losses += 1),
    random: () => 1
  });
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

test('reconnects with increasing delays, up to half a minute', () => {
  connection.start();
  const waits = [1, 2, 4, 8, 16, 30, 30];
  waits.forEach((seconds, attempt) => {
    server.socket.breakConnection();
    vi.advanceTimersByTime(1000 * seconds - 1);
    expect(server.sockets).toHaveLength(attempt + 1);
    vi.advanceTimersByTime(1);
    expect(server.sockets).toHaveLength(attempt + 2);
  });
});

test('a frame resets the delay', () => {
  connection.start();
  for (const seconds of [1, 2, 4]) {
    server.socket.breakConnection();
    vi.advanceTimersByTime(1000 * seconds);
  }
  server.socket.receive(snapshot());
  server.socket.breakConnection();
  vi.advanceTimersByTime(1000);
  expect(server.sockets).toHaveLength(5);
});

test('a stopped connection does not reconnect and accepts no frames', () => {
  connection.start();
  const { socket } = server;
  connection.stop();
  socket.receive(snapshot());
  socket.breakConnection();
  vi.advanceTimersByTime(100000);
  expect(socket.closed).toBe(true);
  expect(server.sockets).toHaveLength(1);
  expect([frames, losses]).toEqual([0, 0]);
});

test('a silent server is a lost connection', () => {
  connection.start();
  server.socket.receive(snapshot());
  vi.advanceTimersByTime(14999);
  expect(losses).toBe(0);
  vi.advanceTimersByTime(1);
  expect(losses).toBe(1);
});

test('a server that reads once a minute may be silent for longer', () => {
  connection.start();
  server.socket.receive(snapshot({ interval_s: 60 }));
  vi.advanceTimersByTime(130000);
  expect(losses).toBe(0);
});

test('a frame that is not JSON is ignored', () => {
  connection.start();
  server.socket.onmessage?.({ data: '{garbage' });
  expect(frames).toBe(0);
  server.socket.receive(snapshot());
  expect(frames).toBe(1);
});

test('an immediate attempt does not wait for the delay', () => {
  connection.start();
  server.socket.breakConnection();
  connection.retryNow();
  expect(server.sockets).toHaveLength(2);
  vi.advanceTimersByTime(5000);
  expect(server.sockets).toHaveLength(2);
});
