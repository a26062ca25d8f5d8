import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type Answer, askServer, Outage, type OutageState } from '../model/outage';

let answer: Answer;
let asked: number;
let outage: Outage;
let states: OutageState[];

beforeEach(() => {
  vi.useFakeTimers();
  answer = 'nobody';
  asked = 0;
  states = [];
  outage = new Outage(() => {
    asked += 1;
    return Promise.resolve(answer);
  });
  outage.changed.connect((_sender, state) => states.push(state));
});

afterEach(() => {
  vi.useRealTimers();
});

const seconds = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(1000 * count);

test('an outage of a moment is not shown', async () => {
  const end = outage.follow();
  await seconds(2);
  answer = 'server';
  await seconds(2);
  await end;
  expect(states).toEqual([]);
});

test('a server that nobody answers for is shown until it answers', async () => {
  const end = outage.follow();
  await seconds(60);
  expect(states).toEqual(['unreachable']);
  answer = 'server';
  await seconds(5);
  await end;
  expect(states).toEqual(['unreachable', 'none']);
});

test('a Hub that answers for a moment, as behind a new proxy, has not stopped the server', async () => {
  void outage.follow();
  await seconds(1);
  answer = 'hub';
  await seconds(4);
  answer = 'nobody';
  await seconds(4);
  answer = 'hub';
  await seconds(4);
  expect(states).not.toContain('stopped');
});

test('a server that the Hub goes on answering for was stopped, and may be started again', async () => {
  answer = 'hub';
  const end = outage.follow();
  await seconds(15);
  answer = 'nobody';
  await seconds(15);
  expect(outage.state).toBe('stopped');
  answer = 'server';
  await seconds(5);
  await end;
  expect(states).toEqual(['unreachable', 'stopped', 'none']);
});

test('many failed requests are one outage, and the next one is another', async () => {
  const ends = [outage.follow(), outage.follow()];
  expect(asked).toBe(1);
  answer = 'server';
  await seconds(1);
  await Promise.all(ends);
  answer = 'nobody';
  void outage.follow();
  await seconds(10);
  expect(states).toEqual(['unreachable']);
});

test('an outage of an hour is asked about no more than every five seconds', async () => {
  void outage.follow();
  await seconds(3600);
  expect(asked).toBeLessThan(740);
  expect(asked).toBeGreaterThan(700);
});

test.each([
  [200, false, 'server'],
  [403, false, 'server'],
  [424, false, 'hub'],
  [200, true, 'hub'],
  [502, false, 'nobody'],
  [503, false, 'nobody']
])('status %d, redirected %s: %s answers', async (status, redirected, who) => {
  const urls: string[] = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://lab/user/ada/',
    fetch: input => {
      urls.push((input as Request).url.split('?')[0] ?? '');
      return Promise.resolve({ status, redirected } as Response);
    }
  });
  expect(await askServer(settings)).toBe(who);
  expect(urls).toEqual(['http://lab/user/ada/api/status']);
});

test('an address that cannot be reached is answered by nobody', async () => {
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://lab/',
    fetch: () => Promise.reject(new TypeError('Failed to fetch'))
  });
  expect(await askServer(settings)).toBe('nobody');
});
