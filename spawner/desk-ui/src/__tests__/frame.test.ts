import { beforeEach, expect, it, vi } from 'vitest';
import type { Desk } from '../config';
import { showPendingAccounts, translateFrame } from '../frame';

const DESK: Desk = {
  api: '/api/v1',
  base: '/services/gpudock/',
  hub: '/hub/',
  user: 'admin',
  read: true,
  manage: true,
  leads: [],
  section: 'lab',
  xsrf: 'the-token'
};

function answer(status: number, body: unknown) {
  const fetch = vi.fn(() => Promise.resolve(new Response(JSON.stringify(body), { status })));
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

beforeEach(() => {
  document.body.innerHTML = '<a id="gpudock-nav-accounts" href="/hub/authorize">Accounts</a>';
});

it('shows administrators how many accounts wait for approval', async () => {
  const fetch = answer(200, { pending: 2 });
  await showPendingAccounts(DESK);
  const badge = document.querySelector<HTMLElement>('#gpudock-nav-accounts .badge');
  expect(badge?.textContent).toBe('2');
  expect(badge?.title).toBe('2 pending approval');
  expect(fetch).toHaveBeenCalledWith('/hub/gpudock/pending-accounts', expect.anything());
});

it.each([
  ['nobody waits', 200, { pending: 0 }],
  ['the Hub does not say', 403, { message: 'No.' }],
  ['the Hub fails', 503, null]
])('shows no number if %s', async (_, status, body) => {
  answer(status, body);
  await showPendingAccounts(DESK);
  expect(document.body.textContent).toBe('Accounts');
});

it('asks nothing where there is no link to the accounts', async () => {
  document.body.innerHTML = '';
  const fetch = answer(200, { pending: 2 });
  await showPendingAccounts(DESK);
  expect(fetch).not.toHaveBeenCalled();
});

it('leaves the frame in English for readers of English', () => {
  document.title = 'Lab – gpudock';
  translateFrame('lab');
  expect(document.documentElement.lang).toBe('en');
  expect(document.title).toBe('Lab – gpudock');
});
