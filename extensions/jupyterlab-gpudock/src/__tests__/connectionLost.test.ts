import { ConnectionLost, type JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { fireEvent, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import manifest from '../../package.json';
import { Ending } from '../model/ending';
import type { Answer } from '../model/outage';
import { connectionLost } from '../plugins/connectionLost';

let answer: Answer;

vi.mock('../model/outage', async original => ({
  ...(await original<object>()),
  askServer: () => Promise.resolve(answer)
}));

const UNREACHABLE = 'Your server cannot be reached';

let info: { isConnected: boolean };
let reconnected: string[];
let ending: Ending;

function kernel(id: string, connectionStatus: string): object {
  const reconnect = (): Promise<void> => {
    reconnected.push(id);
    return Promise.reject(new Error('It is not there yet.'));
  };
  return { sessionContext: { session: { kernel: { connectionStatus, reconnect } } } };
}

/** Activate the plugin, and return what JupyterLab calls for each failed request. */
function activate(urls: Record<string, string> = { hubPrefix: '/hub/', hubUser: 'ada@lab' }) {
  const widgets = [kernel('k-1', 'connected'), kernel('k-2', 'disconnected'), {}];
  const app = {
    serviceManager: { serverSettings: {} },
    shell: { widgets: () => widgets }
  } as unknown as JupyterFrontEnd;
  return connectionLost.activate(app, { urls }, ending, info, null, null) as typeof ConnectionLost;
}

const seconds = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(1000 * count);

const PATIENCE = { timeout: 30_000 };

const isDialogOpen = (): boolean => screen.queryByText('Your server is not running') !== null;

function notifications(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  answer = 'nobody';
  info = { isConnected: true };
  reconnected = [];
  ending = new Ending();
});

afterEach(() => {
  vi.useRealTimers();
  Notification.dismiss();
  document.body.replaceChildren();
});

test('an outage is shown until the server answers', async () => {
  const end = activate()(null as never, null as never);
  await seconds(10);
  await vi.waitFor(() => screen.getByText(UNREACHABLE), PATIENCE);
  expect(info.isConnected).toBe(false);
  answer = 'server';
  await seconds(5);
  await end;
  expect(screen.queryByText(UNREACHABLE)).toBeNull();
  expect(notifications()).toEqual(['Your server can be reached again.']);
  expect(info.isConnected).toBe(true);
  expect(reconnected).toEqual(['k-2']);
});

test('many failed requests of an outage connect kernels once', async () => {
  const report = activate();
  const ends = [1, 2, 3].map(() => report(null as never, null as never));
  await seconds(10);
  answer = 'server';
  await seconds(5);
  await Promise.all(ends);
  expect(reconnected).toEqual(['k-2']);
});

test('a stopped server is a dialog, which closes when the server is back', async () => {
  answer = 'hub';
  const end = activate()(null as never, null as never);
  await seconds(20);
  await vi.waitFor(() => expect(isDialogOpen()).toBe(true), PATIENCE);
  expect(screen.queryByText(UNREACHABLE)).toBeNull();
  answer = 'server';
  await seconds(10);
  await end;
  expect(isDialogOpen()).toBe(false);
});

test('a user who stays is not asked again', async () => {
  answer = 'hub';
  void activate()(null as never, null as never);
  await seconds(20);
  fireEvent.click(await vi.waitFor(() => screen.getByLabelText('Stay here'), PATIENCE));
  await seconds(60);
  expect(isDialogOpen()).toBe(false);
});

test('the end that the user has asked for is no outage', async () => {
  ending.expect();
  const end = activate()(null as never, null as never);
  await seconds(30);
  expect(screen.queryByText(UNREACHABLE)).toBeNull();
  answer = 'hub';
  await seconds(10);
  await vi.waitFor(() => screen.getByText('Session ended'), PATIENCE);
  screen.getByText(/^The GPU is free again\. Your files are kept\./);
  screen.getByLabelText('My GPUs');
  expect(isDialogOpen()).toBe(false);
  // Nothing else is shown later, and the server may be started again elsewhere.
  await seconds(600);
  expect(isDialogOpen()).toBe(false);
  answer = 'server';
  await seconds(10);
  await end;
  expect(screen.queryByText('Session ended')).toBeNull();
  expect(ending.isExpected).toBe(false);
});

test('an end that does not come is not expected forever', async () => {
  ending.expect();
  await seconds(600);
  const end = activate()(null as never, null as never);
  await seconds(10);
  await vi.waitFor(() => screen.getByText(UNREACHABLE), PATIENCE);
  answer = 'server';
  await seconds(10);
  await end;
});

test('a page of the desk announces the end of this server', async () => {
  vi.useRealTimers();
  const desk = new BroadcastChannel('gpudock');
  ending.follow('/user/ada/');
  desk.postMessage({ ends: '/user/ada/other/' });
  desk.postMessage(null);
  desk.postMessage({ ends: '/user/ada/' });
  await vi.waitFor(() => expect(ending.isExpected).toBe(true));
  desk.close();
});

test('outside a Hub JupyterLab shows its own message', () => {
  expect(activate({})).toBe(ConnectionLost);
});

test("the plugin takes the place of JupyterLab's own", () => {
  expect(manifest.jupyterlab.disabledExtensions).toEqual([
    '@jupyterlab/hub-extension:connectionlost'
  ]);
});
