import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { APIError } from '../model/api';
import type { ILease } from '../model/contract';
import { type ILeaseWarning, Lease } from '../model/lease';
import { FakeAPI, FakePage, lease, unmanaged } from './fakes';

const MINUTE = 60_000;

let server: FakeAPI;
let page: FakePage;
let model: Lease;
let warnings: ILeaseWarning[];
/** When the session ends, in milliseconds of the test's clock; null where it does not. */
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
  server.leaseAnswer = () => lease({ ends_at: endsAt === null ? null : endsAt / 1000, idle });
  model.warned.connect((_sender, warning) => void warnings.push(warning));
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function settle(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

function told(): string[] {
  return warnings.map(({ end, leftMs }) => `${end} ${Math.ceil(leftMs / MINUTE)}`);
}

test('a session is warned of 60, 15 and 5 minutes before its end, once each', async () => {
  endsAt = Date.now() + 120 * MINUTE;
  await model.load();
  await settle(119 * MINUTE);
  expect(told()).toEqual(['session 60', 'session 15', 'session 5']);
});

test('between the warnings nothing is asked while nobody looks', async () => {
  endsAt = Date.now() + 120 * MINUTE;
  await model.load();
  await settle(119 * MINUTE);
  expect(server.leasesAsked).toBe(4);
});

test('of warnings that are due at once, only the nearest is told', async () => {
  endsAt = Date.now() + 4 * MINUTE;
  await model.load();
  await model.load();
  expect(told()).toEqual(['session 4']);
});

test('a session that was extended is not warned of in vain, and again in time', async () => {
  endsAt = Date.now() + 90 * MINUTE;
  await model.load();
  await settle(31 * MINUTE);
  expect(told()).toEqual(['session 60']);
  endsAt += 120 * MINUTE;
  await settle(60 * MINUTE);
  expect(told()).toEqual(['session 60']);
  await settle(105 * MINUTE);
  expect(told()).toEqual(['session 60', 'session 60', 'session 15']);
});

test('an end that is computed anew each time is warned of once', async () => {
  const end = Date.now() + 61 * MINUTE;
  endsAt = end;
  await model.load();
  model.watch();
  for (let minute = 0; minute < 30; minute += 1) {
    endsAt = end + (minute % 3) * 7000;
    await settle(MINUTE);
  }
  expect(told()).toEqual(['session 60']);
});

test('one that stays idle is warned, but not the moment it becomes idle', async () => {
  idle = { limit_minutes: 30, since: null, ends_at: null };
  await model.load();
  const end = Date.now() + 35 * MINUTE;
  idle = { limit_minutes: 30, since: end / 1000 - 1800, ends_at: end / 1000 };
  await settle(14 * MINUTE);
  expect(told()).toEqual([]);
  await settle(20 * MINUTE);
  expect(told()).toEqual(['idle 15', 'idle 5']);
});

test('one that works again is not warned', async () => {
  const end = Date.now() + 30 * MINUTE;
  idle = { limit_minutes: 30, since: 0, ends_at: end / 1000 };
  await model.load();
  idle = { limit_minutes: 30, since: null, ends_at: null };
  await settle(40 * MINUTE);
  expect(told()).toEqual([]);
});

test('a hidden page does nothing, and catches up when it is seen', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.load();
  page.turn('hidden');
  await settle(60 * MINUTE);
  expect(server.leasesAsked).toBe(1);
  page.turn('visible');
  await settle(2000);
  expect(told()).toEqual(['session 10']);
});

test('while the panel shows it, it is fresh; afterwards nothing is asked', async () => {
  const watching = model.watch();
  await settle(3 * MINUTE + 1000);
  expect(server.leasesAsked).toBe(4);
  watching.dispose();
  await settle(60 * MINUTE);
  expect(server.leasesAsked).toBe(4);
});

test('without a hub it is asked for once', async () => {
  server.leaseAnswer = () => unmanaged();
  model.watch();
  await settle(60 * MINUTE);
  expect(server.leasesAsked).toBe(1);
});

test('a server that is away is not asked without pause', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.load();
  server.failure = new TypeError('network');
  await settle(20 * MINUTE);
  expect(server.leasesAsked).toBeLessThan(15);
});

test('extending shows the new end, and a refusal says why', async () => {
  endsAt = Date.now() + 70 * MINUTE;
  await model.extend();
  expect(model.view.lease?.ends_at).toBe(endsAt / 1000);
  server.failure = new APIError(409, 'not_done', 'You have no hours left.');
  await model.extend();
  const refusal = { asked: 'extend', code: 'not_done' };
  expect(model.view).toMatchObject({ pending: null, refusal });
});

test('a restart tells whether the server ends, and why it does not', async () => {
  expect(await model.restart()).toBe(true);
  server.failure = new APIError(503, 'unreachable', 'The desk does not answer.');
  expect(await model.restart()).toBe(false);
  expect(model.view.refusal).toEqual({ asked: 'restart', code: 'unreachable' });
});

test.each([new APIError(424), new APIError(502), new TypeError('Failed to fetch')])(
  'a server that is gone before it has answered ends: %s',
  async failure => {
    server.failure = failure;
    expect(await model.restart()).toBe(true);
    expect(model.view).toMatchObject({ pending: null, refusal: null });
  }
);

test('a clock of the page that is wrong does not move the end', async () => {
  const ahead = 3_600_000;
  server.leaseAnswer = () => {
    const now = (Date.now() + ahead) / 1000;
    return lease({ now, ends_at: now + 10 * 60 });
  };
  await model.load();
  expect(told()).toEqual(['session 10']);
  expect(model.view.clockOffsetMs).toBe(ahead);
});
