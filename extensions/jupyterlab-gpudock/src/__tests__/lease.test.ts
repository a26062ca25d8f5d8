import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../model/api';
import type { ILease } from '../model/contract';
import { type ILeaseWarning, Lease } from '../model/lease';
import { FakeAPI, FakePage, Later } from './fakes';
import { lease, unmanaged } from './samples';

const MINUTE = 60_000;

let server: FakeAPI;
let page: FakePage;
let model: Lease;
let warnings: ILeaseWarning[];
/** When the session ends, in milliseconds; null if it has no end. */
let endsAt: number | null;
let idle: ILease['idle'];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeAPI();
  page = new FakePage();
  model = new Lease(server, page);
  warnings = [];
  endsAt = null;
  idle = { limit_minutes: null, since: null, ends_at: null };
  server.leaseResponse = () => lease({ ends_at: endsAt === null ? null : endsAt / 1000, idle });
  model.warned.connect((_sender, warning) => void warnings.push(warning));
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function settle(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

function emitted(): string[] {
  return warnings.map(({ limit, leftMs }) => `${limit} ${Math.ceil(leftMs / MINUTE)}`);
}

test('warnings are emitted 60, 15 and 5 minutes before the end, once each', async () => {
  endsAt = Date.now() + 120 * MINUTE;
  await model.load();
  await settle(119 * MINUTE);
  expect(emitted()).toEqual(['time 60', 'time 15', 'time 5']);
});

test('without watchers, nothing is requested between the warnings', async () => {
  endsAt = Date.now() + 120 * MINUTE;
  await model.load();
  await settle(119 * MINUTE);
  expect(server.leaseRequests).toBe(4);
});

test('of warnings that are due at the same time, only the latest is emitted', async () => {
  endsAt = Date.now() + 4 * MINUTE;
  await model.load();
  await model.load();
  expect(emitted()).toEqual(['time 4']);
});

test('an extended session has its warnings at the new times', async () => {
  endsAt = Date.now() + 90 * MINUTE;
  await model.load();
  await settle(31 * MINUTE);
  expect(emitted()).toEqual(['time 60']);
  endsAt += 120 * MINUTE;
  await settle(60 * MINUTE);
  expect(emitted()).toEqual(['time 60']);
  await settle(105 * MINUTE);
  expect(emitted()).toEqual(['time 60', 'time 60', 'time 15']);
});

test('an end that differs by seconds has one warning', async () => {
  const end = Date.now() + 61 * MINUTE;
  endsAt = end;
  await model.load();
  model.watch();
  for (let minute = 0; minute < 30; minute += 1) {
    endsAt = end + (minute % 3) * 7000;
    await settle(MINUTE);
  }
  expect(emitted()).toEqual(['time 60']);
});

test('an idle session has warnings, but not at the moment it becomes idle', async () => {
  idle = { limit_minutes: 30, since: null, ends_at: null };
  await model.load();
  const end = Date.now() + 35 * MINUTE;
  idle = { limit_minutes: 30, since: end / 1000 - 1800, ends_at: end / 1000 };
  await settle(14 * MINUTE);
  expect(emitted()).toEqual([]);
  await settle(20 * MINUTE);
  expect(emitted()).toEqual(['idle 15', 'idle 5']);
});

test('a session that is in use again has no warning', async () => {
  const end = Date.now() + 30 * MINUTE;
  idle = { limit_minutes: 30, since: 0, ends_at: end / 1000 };
  await model.load();
  idle = { limit_minutes: 30, since: null, ends_at: null };
  await settle(40 * MINUTE);
  expect(emitted()).toEqual([]);
});

test('a hidden page does nothing, and catches up when it is visible', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.load();
  page.setVisibility('hidden');
  await settle(60 * MINUTE);
  expect(server.leaseRequests).toBe(1);
  page.setVisibility('visible');
  await settle(2000);
  expect(emitted()).toEqual(['time 10']);
});

test('with watchers, the lease is loaded every minute; afterwards it is not', async () => {
  const watching = model.watch();
  await settle(3 * MINUTE + 1000);
  expect(server.leaseRequests).toBe(4);
  watching.dispose();
  await settle(60 * MINUTE);
  expect(server.leaseRequests).toBe(4);
});

test('without a hub, the lease is loaded once', async () => {
  server.leaseResponse = () => unmanaged();
  model.watch();
  await settle(60 * MINUTE);
  expect(server.leaseRequests).toBe(1);
});

test('an unreachable server is not polled without pause', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.load();
  server.failure = new TypeError('network');
  await settle(20 * MINUTE);
  expect(server.leaseRequests).toBeLessThan(15);
});

test('extending shows the new end, or why it failed', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.extend();
  expect(model.view.lease?.ends_at).toBe(endsAt / 1000);
  server.failure = new APIError(409, 'not_done', 'You have no hours left.');
  await model.extend();
  const error = { action: 'extend', code: 'not_done' };
  expect(model.view).toMatchObject({ pending: null, error });
});

test('a restart reports whether the server stops, and why it does not', async () => {
  expect(await model.restart()).toBe(true);
  server.failure = new APIError(503, 'unreachable', 'The desk does not answer.');
  expect(await model.restart()).toBe(false);
  expect(model.view.error).toEqual({ action: 'restart', code: 'unreachable' });
});

test('a release reports whether the GPU is released, and why it is not', async () => {
  expect(await model.release()).toBe(true);
  server.failure = new APIError(409, 'not_done', 'The session has ended.');
  expect(await model.release()).toBe(false);
  expect(model.view.error).toEqual({ action: 'release', code: 'not_done' });
});

test.each([new APIError(424), new APIError(502), new TypeError('Failed to fetch')])(
  'a server that stops before it responds has stopped: %s',
  async failure => {
    server.failure = failure;
    expect(await model.restart()).toBe(true);
    expect(await model.release()).toBe(true);
    expect(model.view).toMatchObject({ pending: null, error: null });
  }
);

test('a wrong clock of the page does not move the end', async () => {
  const ahead = 3_600_000;
  server.leaseResponse = () => {
    const now = (Date.now() + ahead) / 1000;
    return lease({ now, ends_at: now + 10 * 60 });
  };
  await model.load();
  expect(emitted()).toEqual(['time 10']);
  expect(model.view.clockOffsetMs).toBe(ahead);
});

test('a response that was requested before an extension does not take it back', async () => {
  const late = new Later<ILease>();
  server.leaseResponse = () => late.response;
  const loading = model.load();
  const before = Date.now() / 1000 + 4 * 60;
  const after = before + 3600;
  server.leaseResponse = () => lease({ ends_at: after });
  await model.extend();
  late.respond(lease({ ends_at: before }));
  await loading;
  expect(model.view.lease?.ends_at).toBe(after);
  expect(emitted()).not.toContain('time 4');
});

test('a response that was requested during an extension is of before it', async () => {
  const extension = new Later<ILease>();
  const late = new Later<ILease>();
  server.leaseResponse = () => extension.response;
  const extending = model.extend();
  server.leaseResponse = () => late.response;
  const loading = model.load();
  const before = Date.now() / 1000 + 7200;
  extension.respond(lease({ ends_at: before + 3600 }));
  await extending;
  late.respond(lease({ ends_at: before }));
  await loading;
  expect(model.view.lease?.ends_at).toBe(before + 3600);
});

test('of two responses, the one that was requested last is shown', async () => {
  const late = new Later<ILease>();
  server.leaseResponse = () => late.response;
  const first = model.load();
  server.leaseResponse = () => lease({ queue_length: 1 });
  await model.load();
  late.respond(lease({ queue_length: 5 }));
  await first;
  expect(model.view.lease?.queue_length).toBe(1);
});

test('an action that is in progress is not repeated, and another one waits for its end', async () => {
  const late = new Later<ILease>();
  server.leaseResponse = () => late.response;
  const actions = [model.extend(), model.extend(), model.release()];
  await settle();
  expect(server.leaseRequests).toBe(1);
  expect(model.view.pending).toBe('extend');
  late.respond(lease());
  await Promise.all(actions);
  expect(server.leaseRequests).toBe(2);
  expect(model.view.pending).toBeNull();
});
