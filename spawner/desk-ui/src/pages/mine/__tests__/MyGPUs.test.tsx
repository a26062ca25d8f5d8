import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import type { Session } from '../../../api/types';
import { renderPage } from '../../../testing/renderPage';
import { MyGPUs } from '../MyGPUs';

const session = async (name: string) => within(await screen.findByRole('article', { name }));

it('shows the GPUs, the time left and the reason for the end of each session', async () => {
  renderPage(<MyGPUs />);
  const card = await session('Your server');
  expect(card.getByRole('timer').textContent).toMatch(/^5 h 0[12] min$/);
  expect(await card.findAllByText(/NVIDIA A100/)).toHaveLength(2);
  expect(card.getByText(/It ends at its time limit/)).toBeDefined();
});

it('warns only about sessions that end soon', async () => {
  renderPage(<MyGPUs />);
  const warnings = await screen.findAllByRole('alert');
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.textContent).toContain('Server "sweep" ends in 15 min.');
});

it('extends a session, and shows its new end', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const card = await session('Your server');
  await userEvent.click(card.getByRole('button', { name: 'Extend your server' }));
  expect(await screen.findByText(/Your server now ends/)).toBeDefined();
  expect(lab.calls).toEqual(['POST leases/lease-1/extend']);
});

it('says how long a session can become, where it can be extended', async () => {
  renderPage(<MyGPUs />);
  expect(
    (await session('Your server')).getByText(/^Ends .* \(extendable to 12 h\)$/)
  ).toBeDefined();
  expect((await session('Server "sweep"')).queryByText(/extendable/)).toBeNull();
});

it('offers no extension if none is possible', async () => {
  renderPage(<MyGPUs />);
  const card = await session('Server "sweep"');
  expect(card.getByRole<HTMLButtonElement>('button', { name: /Extend/ }).disabled).toBe(true);
  expect(card.getByText(/cannot be extended/)).toBeDefined();
});

it('stops a server only after confirmation', async () => {
  const { lab, requests } = renderPage(<MyGPUs />);
  const card = await session('Server "sweep"');
  await userEvent.click(card.getByRole('button', { name: /^Stop server: / }));
  await userEvent.click(await screen.findByRole('button', { name: 'Keep it' }));
  expect(lab.calls).toEqual([]);
  await userEvent.click(card.getByRole('button', { name: /^Stop server: / }));
  await userEvent.click(await screen.findByRole('button', { name: 'Stop server' }));
  await card.findByText('Stopping');
  expect(lab.calls).toEqual(['DELETE leases/lease-2']);
  expect(requests.every(({ xsrf }) => xsrf === 'the-token')).toBe(true);
});

it('lists a session as ended as soon as it has ended, for any reason', async () => {
  const { lab } = renderPage(<MyGPUs />);
  await session('Server "sweep"');
  const past = within(await screen.findByRole('region', { name: 'Past sessions' }));
  expect(past.queryByText(/Stopped by admin/)).toBeNull();
  lab.end('lease-2', 'Stopped by admin');
  const soon = { timeout: 10_000 };
  await waitFor(() => expect(screen.queryByRole('article', { name: /sweep/ })).toBeNull(), soon);
  expect(await past.findByText(/^Stopped by admin at \d\d:\d\d$/)).toBeDefined();
});

it('counts the GPUs of sessions that start and end by themselves', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const inUse = async (text: RegExp) => {
    const [bar] = await screen.findAllByRole('progressbar', { name: 'GPUs at once' });
    const soon = { timeout: 10_000 };
    await waitFor(() => expect(bar?.getAttribute('aria-valuetext')).toMatch(text), soon);
  };
  await inUse(/^3 /);
  const [first] = lab.sessions;
  lab.end('lease-1', 'Stopped by admin');
  await inUse(/^1 /);
  lab.sessions = [...lab.sessions, { ...(first as Session), id: 'lease-3' }];
  await inUse(/^3 /);
}, 30_000);

it('shows the position in the queue, which the user can leave', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const card = await session('Server "big"');
  expect(card.getByText('Position 2 of 3')).toBeDefined();
  expect(card.getByText(/Expected to start/)).toBeDefined();
  await userEvent.click(card.getByRole('button', { name: 'Leave the queue' }));
  const question = within(await screen.findByRole('dialog', { name: 'Leave the queue?' }));
  await userEvent.click(question.getByRole('button', { name: 'Leave the queue' }));
  await waitFor(() => expect(screen.queryByText('Position 2 of 3')).toBeNull());
  expect(lab.calls).toEqual(['DELETE queue/r2']);
});

it('shows each limit with its level and its usage', async () => {
  renderPage(<MyGPUs />);
  const bars = await screen.findAllByRole('progressbar', { name: 'GPU-hours' });
  expect(bars[0]?.getAttribute('aria-valuetext')).toBe('342.5 of 400 h');
  expect(screen.getByText(/Set by: group vision/)).toBeDefined();
});

it('shows how to start when there is nothing', async () => {
  renderPage(<MyGPUs />, { empty: true });
  expect(await screen.findByText('You have no GPU right now.')).toBeDefined();
  for (const link of screen.getAllByRole('link', { name: 'Start a server' })) {
    expect(link.getAttribute('href')).toBe('/hub/spawn');
  }
});

it('shows errors, and a way to try again', async () => {
  renderPage(<MyGPUs />, { broken: true });
  const problems = await screen.findAllByText(/database is not responding/);
  expect(problems.length).toBeGreaterThan(0);
  expect(screen.getAllByRole('button', { name: 'Try again' }).length).toBeGreaterThan(0);
});

const DEACTIVATED = 'An administrator has deactivated your account. Ask them to activate it.';

it.each([
  ['signed out', 401, 'Sign in.', /no longer signed in/],
  ['refused', 403, DEACTIVATED, DEACTIVATED]
])(
  'says that one is %s, and not that the lab is gone',
  async (_, status, message, shown) => {
    const { lab } = renderPage(<MyGPUs />);
    await session('Your server');
    lab.respond = () => ({ status, body: { message } });
    const soon = { timeout: 10_000 };
    expect(await screen.findByText(shown, undefined, soon)).toBeDefined();
    expect(screen.queryByText(/not responding/)).toBeNull();
  },
  20_000
);

const ENDED = 'Session ended. The GPU is free again. Your files are kept.';

it('shows that a session has ended once it has', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const heard = vi.fn();
  const jupyterlab = new BroadcastChannel('gpudock');
  jupyterlab.onmessage = ({ data }: MessageEvent<unknown>) => {
    heard(data);
  };
  const card = await session('Server "sweep"');
  await userEvent.click(card.getByRole('button', { name: /^Stop server: / }));
  await userEvent.click(await screen.findByRole('button', { name: 'Stop server' }));
  expect(await screen.findByText('Your session is ending. Your files are kept.')).toBeDefined();
  expect(screen.queryByText(ENDED)).toBeNull();
  lab.end('lease-2', 'its user released it');
  expect(await screen.findByText(ENDED, undefined, { timeout: 10_000 })).toBeDefined();
  await waitFor(() => expect(heard).toHaveBeenCalledWith({ ends: '/user/ada/sweep/' }));
  jupyterlab.close();
  const [notice] = screen.getAllByRole('status').filter(found => found.textContent.includes(ENDED));
  await userEvent.click(within(notice as HTMLElement).getByRole('button', { name: 'Close' }));
  expect(screen.queryByText(ENDED)).toBeNull();
});

it('shows the end of the session that JupyterLab ended, once', async () => {
  renderPage(<MyGPUs />, { search: '?ended=lease-9' });
  expect(await screen.findByText(ENDED)).toBeDefined();
  expect(location.search).toBe('');
});

it('does not show that a session ended that still runs', async () => {
  renderPage(<MyGPUs />, { search: '?ended=lease-1' });
  await session('Your server');
  expect(screen.queryByText(ENDED)).toBeNull();
});

it('shows the place in the queue in the title of the tab', async () => {
  document.title = 'My GPUs – gpudock';
  const { lab } = renderPage(<MyGPUs />);
  await waitFor(() => expect(document.title).toBe('(2) waiting – My GPUs – gpudock'));
  lab.queue = [];
  await waitFor(() => expect(document.title).toBe('My GPUs – gpudock'), { timeout: 10_000 });
});

it('starts and deletes the servers that do not run', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const servers = within(await screen.findByRole('region', { name: 'More servers' }));
  await waitFor(() => expect(servers.getAllByRole('listitem')).toHaveLength(1));
  const start = servers.getByRole('link', { name: 'Start server "old"' });
  expect(start.getAttribute('href')).toBe('/hub/spawn/ada/old');
  await userEvent.click(servers.getByRole('button', { name: 'Delete server "old"' }));
  const dialog = within(await screen.findByRole('dialog'));
  await userEvent.click(dialog.getByRole('button', { name: 'Delete' }));
  await waitFor(() => expect(servers.queryAllByRole('listitem')).toHaveLength(0));
  expect(lab.calls).toEqual(['DELETE api/users/ada/servers/old']);
});

it('creates a server with a name that the Hub accepts', async () => {
  const { lab } = renderPage(<MyGPUs />);
  const field = await screen.findByLabelText('Name of a new server');
  for (const [name, problem] of [
    ['Sweep', /lowercase letters/],
    ['a--b', /single hyphens/],
    ['old', /already/]
  ] as const) {
    await userEvent.clear(field);
    await userEvent.type(field, `${name}{Enter}`);
    expect(
      (await screen.findAllByRole('alert')).some(found => problem.test(found.textContent))
    ).toBe(true);
  }
  lab.servers = ['a', 'b', 'c'].map(name => ({ name, state: 'stopped' }) as const);
  expect(await screen.findByText(/as many as the lab allows/, undefined, { timeout: 15_000 }));
});
