import { JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { Token } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { fireEvent, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import plugins from '../index';
import { FakeAPI } from './fakes';
import { gpu, kernelEnd, lease, snapshot } from './samples';

let server: FakeAPI;

vi.mock('../model/api', async original => ({
  ...(await original<object>()),
  API: function () {
    return server;
  }
}));

interface ICommand {
  label: string;
  execute: () => unknown;
  isVisible?: () => boolean;
}

let commands: Map<string, ICommand>;
let palette: string[];
let panel: Widget;
let statusBar: Widget | undefined;
let notebook: FakeNotebook;

/** A notebook that was open when the page was loaded. */
class FakeNotebook {
  readonly isDisposed = false;
  readonly sessionContext = this;
  readonly session = { kernel: { id: 'k-1' }, path: 'work/train.ipynb' };
  readonly statusChanged = new Signal<this, string>(this);
  readonly iopubMessage = new Signal<this, unknown>(this);
}

/** Activate all plugins in an application with a closed sidebar. */
function activate(name = 'JupyterLab'): void {
  const app = {
    name,
    restored: Promise.resolve(),
    serviceManager: { serverSettings: {} },
    commands: {
      addCommand: (id: string, options: ICommand) => void commands.set(id, options),
      hasCommand: () => false,
      notifyCommandChanged: () => undefined
    },
    shell: {
      currentWidget: null,
      widgets: () => [notebook],
      add: (widget: Widget) => {
        panel = widget;
        panel.hide();
        Widget.attach(panel, document.body);
      },
      activateById: () => panel.show()
    }
  } as unknown as JupyterFrontEnd;
  const services = new Map<Token<unknown>, unknown>([
    [JupyterFrontEnd.IPaths, { urls: {} }],
    [ICommandPalette, { addItem: ({ command }: { command: string }) => palette.push(command) }]
  ]);
  if (name === 'JupyterLab') {
    services.set(IStatusBar, {
      registerStatusItem: (_id: string, { item }: { item: Widget }) => {
        statusBar = item;
        Widget.attach(item, document.body);
      }
    });
  }
  for (const plugin of plugins as JupyterFrontEndPlugin<unknown>[]) {
    const tokens = [...(plugin.requires ?? []), ...(plugin.optional ?? [])];
    const service = plugin.activate(app, ...tokens.map(token => services.get(token) ?? null));
    if (plugin.provides) {
      services.set(plugin.provides, service);
    }
  }
}

beforeEach(() => {
  server = new FakeAPI();
  commands = new Map();
  palette = [];
  notebook = new FakeNotebook();
});

afterEach(() => {
  panel.dispose();
  statusBar?.dispose();
  statusBar = undefined;
  Notification.dismiss();
});

function notifications(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

test('a visible panel has a stream, and a hidden one has none', async () => {
  activate();
  expect(server.openStreams).toBe(0);
  panel.show();
  expect(server.openStreams).toBe(1);
  server.socket.receive(snapshot());
  await waitFor(() => expect(panel.node.textContent).toContain('31.0 / 40.0 GiB'));
  server.socket.receive({ type: 'stale', age_s: 8 });
  await waitFor(() => expect(panel.node.textContent).toContain('has not responded for 1 s'), {
    timeout: 3000
  });
  panel.hide();
  expect(server.openStreams).toBe(0);
});

test('the status bar shows figures until they are old, and opens the panel', async () => {
  activate();
  await waitFor(() => expect(statusBar?.node.textContent).toBe('A100 · 31/40 GB · 42 %'));
  panel.show();
  server.socket.receive(snapshot({ age_s: 59.9 }));
  await waitFor(() => expect(statusBar?.node.textContent).toBe('A100'));
  panel.hide();
  statusBar?.node.querySelector('button')?.click();
  expect(panel.isVisible).toBe(true);
});

test('the status bar shows figures until they are old by the clock', async () => {
  activate();
  await waitFor(() => expect(statusBar?.node.textContent).toBe('A100 · 31/40 GB · 42 %'));
  panel.show();
  server.socket.receive(snapshot({ age_s: 59.9 }));
  await waitFor(() => expect(statusBar?.node.textContent).toContain('42 %'));
  const clock = Date.now.bind(Date);
  const setBack = vi.spyOn(Date, 'now').mockImplementation(() => clock() - 500);
  try {
    await waitFor(() => expect(statusBar?.node.textContent).toBe('A100'));
  } finally {
    setBack.mockRestore();
  }
});

test('all commands are in the palette, and those on a session need one', async () => {
  activate();
  expect(palette).toEqual([...commands.keys()]);
  const onSession = [...commands.values()].filter(({ isVisible }) => isVisible?.() === false);
  expect(onSession.map(({ label }) => label)).toEqual(['Extend the GPU Session', 'Stop Server…']);
  await waitFor(() => expect(onSession.every(({ isVisible }) => isVisible?.())).toBe(true));
});

test('a check can be run from the palette', async () => {
  activate();
  const startCheck = vi.spyOn(server, 'startCheck');
  panel.show();
  server.socket.receive(snapshot());
  await waitFor(() => expect(panel.node.textContent).toContain('Usable'));
  await commands.get('gpudock:run-check')?.execute();
  expect(startCheck).toHaveBeenCalledWith('GPU-1', 'python3');
});

test('the end of a session is notified', async () => {
  server.leaseResponse = () => lease({ ends_at: Date.now() / 1000 + 540 });
  activate();
  await waitFor(() =>
    expect(notifications()).toEqual(['This GPU session ends in 9 min. Save your work.'])
  );
  const actions = Notification.manager.notifications[0]?.options.actions ?? [];
  expect(actions.map(({ label }) => label)).toEqual(['Extend', 'Show']);
});

test('a lost GPU is notified once, and only while the panel is closed', async () => {
  server.gpus = () => Promise.resolve(snapshot({ gpus: [gpu({ state: 'lost' })] }));
  activate();
  await waitFor(() => expect(notifications()).toHaveLength(1));
  panel.show();
  server.socket.receive(snapshot());
  server.socket.receive(snapshot({ state: 'lost', gpus: [] }));
  expect(notifications()).toEqual([
    'This server has lost a GPU. Programs that used it have failed.'
  ]);
});

test('the end of a kernel is notified, and a dialog shows what to do', async () => {
  server.pastEnds = [kernelEnd()];
  activate();
  notebook.statusChanged.emit('autorestarting');
  await waitFor(() =>
    expect(notifications()).toEqual([
      'The kernel of train.ipynb was ended: this server has reached its memory limit, 32.0 GiB.'
    ])
  );
  const [action] = Notification.manager.notifications[0]?.options.actions ?? [];
  expect(action?.label).toBe('What to do…');
  action?.callback(new MouseEvent('click'));
  await screen.findByText(/fewer DataLoader workers/);
  expect(screen.getByText(/In use now: 12.0 GiB of 32.0 GiB/)).toBeTruthy();
  fireEvent.click(screen.getByLabelText('Close'));
});

test('Notebook, which has no status bar, has the panel', () => {
  activate('Jupyter Notebook');
  expect(statusBar).toBeUndefined();
  expect(panel.isAttached).toBe(true);
  expect(commands.size).toBe(7);
});
