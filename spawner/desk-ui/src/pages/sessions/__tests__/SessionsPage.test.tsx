import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { renderPage } from '../../../testing/renderPage';
import { SessionsPage } from '../SessionsPage';

const table = async () =>
  within(await screen.findByRole('table', { name: 'Sessions, latest start first' }));

it('shows who had which GPU, when, and why each session ended', async () => {
  renderPage(<SessionsPage />, { admin: true, user: 'ada' });
  const rows = (await table()).getAllByRole('row');
  expect(rows[1]?.textContent).toContain('Running');
  expect(rows[1]?.textContent).toContain('GPU 0 on gpu-node-1');
  expect(rows[3]?.textContent).toContain('12 h limit reached');
  expect(rows[3]?.textContent).toContain('5 h 00 min');
});

it('filters by user, and can be undone', async () => {
  renderPage(<SessionsPage />, { admin: true, user: 'ada' });
  await table();
  await userEvent.type(screen.getByLabelText('User'), ' nobody {Enter}');
  expect(await screen.findByText('No session matches these filters.')).toBeDefined();
  expect(window.location.search).toBe('?user=nobody');
  await userEvent.click(screen.getByRole('button', { name: 'Clear filters' }));
  await waitFor(() => expect(screen.queryByText(/No session matches/)).toBeNull());
  expect(window.location.search).toBe('');
});

it('filters by GPU and by time, which the CSV file follows', async () => {
  renderPage(<SessionsPage />, { admin: true, user: 'ada', search: '?from=2026-03-01' });
  await table();
  const gpu = screen.getByRole<HTMLSelectElement>('combobox', { name: 'GPU' });
  await screen.findByRole('option', { name: 'GPU 0 on gpu-node-1' });
  await userEvent.selectOptions(gpu, 'GPU 0 on gpu-node-1');
  await waitFor(async () => expect((await table()).getAllByRole('row')).toHaveLength(2));
  const link = screen.getByRole('link', { name: 'CSV' }).getAttribute('href') ?? '';
  const query = new URL(link).searchParams;
  expect(query.get('gpu')).toBe(gpu.value);
  expect(query.get('from')).toBe(String(new Date(2026, 2, 1).getTime() / 1000));
  expect(query.get('format')).toBe('csv');
});

it('explains an empty lab, and errors', async () => {
  renderPage(<SessionsPage />, { admin: true, empty: true });
  expect(await screen.findByText('There have been no sessions yet.')).toBeDefined();
});
