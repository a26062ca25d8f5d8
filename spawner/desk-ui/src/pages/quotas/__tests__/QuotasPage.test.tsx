import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it } from 'vitest';
import { renderPage } from '../../../testing/renderPage';
import { QuotasPage } from '../QuotasPage';

const cell = (field: string, name: string) =>
  screen.findByRole('button', { name: new RegExp(`^${field} of ${name}:`) });

async function edit(field: string, name: string, text: string): Promise<void> {
  await userEvent.click(await cell(field, name));
  const input = screen.getByRole('textbox', { name: `${field} of ${name}` });
  await userEvent.clear(input);
  await userEvent.type(input, `${text}{Enter}`);
}

async function review() {
  await userEvent.click(await screen.findByRole('button', { name: 'Review and save…' }));
  return within(await screen.findByRole('dialog'));
}

beforeEach(() => window.history.replaceState(null, '', '/'));

it('distinguishes set from inherited limits', async () => {
  renderPage(<QuotasPage />, { admin: true });
  expect((await cell('GPUs at once', 'ada')).getAttribute('aria-label')).toBe(
    'GPUs at once of ada: 2. Edit'
  );
  expect((await cell('GPUs at once', 'grace')).getAttribute('aria-label')).toBe(
    'GPUs at once of grace: 4, inherited. Edit'
  );
});

it('edits in place, previews, and saves with the revision', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true });
  await edit('GPUs at once', 'ada', '5');
  await edit('Fair-share weight', 'grace', '2');
  const dialog = await review();
  expect(
    await dialog.findByText('No running session or waiting request is affected.')
  ).toBeDefined();
  await userEvent.click(dialog.getByRole('button', { name: 'Save' }));
  expect(await screen.findByText('2 changes saved.')).toBeDefined();
  expect(lab.documents.get('user/ada')?.document).toMatchObject({
    max_gpus: 5,
    gpu_models: ['*A100*', '*H100*']
  });
  expect(lab.documents.get('user/grace')?.document).toEqual({ weight: 2 });
  expect(screen.queryByRole('button', { name: 'Review and save…' })).toBeNull();
});

it('previews which sessions would exceed a limit', async () => {
  renderPage(<QuotasPage />, { admin: true, user: 'ada' });
  await edit('GPUs at once', 'ada', '0');
  const dialog = await review();
  expect(await dialog.findByText(/2 running sessions would exceed their limits/)).toBeDefined();
});

it('rejects an invalid limit, and keeps the text', async () => {
  renderPage(<QuotasPage />, { admin: true });
  await edit('GPUs at once', 'ada', 'many');
  const input = screen.getByRole<HTMLInputElement>('textbox', { name: 'GPUs at once of ada' });
  expect(input.value).toBe('many');
  expect(screen.getByRole('alert').textContent).toMatch(/whole number/);
  await userEvent.type(input, '{Escape}');
  await waitFor(async () => expect(document.activeElement).toBe(await cell('GPUs at once', 'ada')));
});

it('shows both versions when someone else saved first, and loses neither', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true });
  await edit('GPUs at once', 'ada', '5');
  lab.put('user', 'ada', { max_gpus: 3, weight: 9 }, 'grace');
  await userEvent.click((await review()).getByRole('button', { name: 'Save' }));
  const conflict = await screen.findByRole('dialog', {
    name: 'Someone else changed these limits'
  });
  const line = within(conflict).findByRole('row', { name: /GPUs at once/ });
  expect((await line).textContent).toBe('GPUs at once235');
  await userEvent.click(within(conflict).getByRole('button', { name: 'Continue' }));
  const again = within(await screen.findByRole('dialog', { name: 'Save 1 change' }));
  await again.findByText(/is affected/);
  await userEvent.click(again.getByRole('button', { name: 'Save' }));
  expect(await screen.findByText('1 change saved.')).toBeDefined();
  expect(lab.documents.get('user/ada')?.document).toEqual({ max_gpus: 5, weight: 9 });
});

it('can keep the version of the other user', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true });
  await edit('GPUs at once', 'ada', '5');
  lab.put('user', 'ada', { max_gpus: 3 }, 'grace');
  await userEvent.click((await review()).getByRole('button', { name: 'Save' }));
  await userEvent.click(await screen.findByRole('button', { name: 'Keep theirs' }));
  await userEvent.click(screen.getByRole('button', { name: 'Continue' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(screen.queryByRole('button', { name: 'Review and save…' })).toBeNull();
  expect(lab.documents.get('user/ada')?.document).toEqual({ max_gpus: 3 });
});

it('edits many rows at once', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select ada' }));
  await userEvent.click(screen.getByRole('checkbox', { name: 'Select grace' }));
  await userEvent.click(screen.getByRole('button', { name: 'Edit selected…' }));
  await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Limit' }), 'idle_minutes');
  await userEvent.type(screen.getByRole('textbox', { name: 'New value' }), '30');
  await userEvent.click(screen.getByRole('button', { name: 'Stage the changes' }));
  const dialog = await review();
  await dialog.findByText(/is affected/);
  await userEvent.click(dialog.getByRole('button', { name: 'Save' }));
  await screen.findByText('2 changes saved.');
  expect(lab.documents.get('user/grace')?.document).toEqual({ idle_minutes: 30 });
});

it('shows limits that contradict each other before they are saved', async () => {
  renderPage(<QuotasPage />, { admin: true });
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Select ada' }));
  await userEvent.click(screen.getByRole('button', { name: 'Edit selected…' }));
  await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Limit' }), 'session_hours');
  await userEvent.type(screen.getByRole('textbox', { name: 'New value' }), '24');
  await userEvent.click(screen.getByRole('button', { name: 'Stage the changes' }));
  const dialog = await review();
  await dialog.findByText('A limit contradicts another one:');
  dialog.getByText('For the user "ada": sessions will last 12 h, the maximum.');
  await userEvent.click(dialog.getByRole('button', { name: 'Save' }));
  const saved = within(
    await screen.findByRole('dialog', { name: 'The limits are saved, and contradict each other' })
  );
  saved.getByText('For the user "ada": sessions will last 12 h, the maximum.');
  await userEvent.click(saved.getByRole('button', { name: 'Close' }));
  expect(screen.queryByRole('dialog')).toBeNull();
});

it('searches, sorts and pages on the server, and keeps the view in the address', async () => {
  renderPage(<QuotasPage />, { admin: true, users: 120 });
  await cell('GPUs at once', 'ada');
  expect(screen.getByText('1 to 50 of 120')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Next' }));
  await screen.findByText('51 to 100 of 120');
  await userEvent.click(screen.getByRole('button', { name: /^Name/ }));
  await waitFor(() => expect(window.location.search).toBe('?sort=-name'));
  await userEvent.type(screen.getByRole('searchbox'), 'grace');
  await screen.findByText('1 row');
  expect(window.location.search).toContain('search=grace');
});

it('shows the origin of each limit in the drawer', async () => {
  renderPage(<QuotasPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Details of ada' }));
  const drawer = within(screen.getByRole('dialog', { name: 'Limits of ada' }));
  const line = await drawer.findByRole('row', { name: /^GPU-hours/ });
  expect(line.textContent).toBe('GPU-hours400group vision342.5');
  expect(drawer.getByRole('row', { name: /^Group total GPUs/ }).textContent).toContain(
    'Group vision'
  );
});

it('sets a boost with an end, and rejects a boost without a limit', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Details of grace' }));
  const drawer = within(screen.getByRole('dialog'));
  await userEvent.click(drawer.getByRole('button', { name: 'Add a boost' }));
  await userEvent.click(drawer.getByRole('button', { name: 'Stage the changes' }));
  expect(drawer.getByRole('alert').textContent).toBe('A boost needs at least one limit.');
  const boost = within(drawer.getByRole('group', { name: 'Boost with an end date' }));
  await userEvent.type(boost.getByLabelText('GPUs at once'), '8');
  await userEvent.click(drawer.getByRole('button', { name: 'Stage the changes' }));
  const dialog = await review();
  await dialog.findByText(/is affected/);
  await userEvent.click(dialog.getByRole('button', { name: 'Save' }));
  await screen.findByText('1 change saved.');
  const saved = lab.documents.get('user/grace')?.document?.boost;
  expect(saved?.max_gpus).toBe(8);
  expect(Date.parse(saved?.until ?? '')).toBeGreaterThan(Date.now());
});

it('lets the lead of a group change only the limits of its members', async () => {
  renderPage(<QuotasPage />, { user: 'margaret', leads: ['vision'] });
  await cell('GPUs at once', 'ada');
  expect(screen.queryByRole('button', { name: /^GPUs at once of margaret/ })).toBeNull();
  expect(screen.queryByRole('button', { name: 'Groups' })).toBeNull();
  await userEvent.click(screen.getByRole('checkbox', { name: 'Select margaret' }));
  expect(screen.queryByRole('button', { name: 'Edit selected…' })).toBeNull();
});

it('opens a group that was just made, once', async () => {
  renderPage(<QuotasPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Groups' }));
  await userEvent.click(await screen.findByRole('button', { name: 'New group…' }));
  const dialog = within(await screen.findByRole('dialog', { name: 'New group' }));
  await userEvent.type(dialog.getByRole('textbox', { name: 'Name' }), 'lasers');
  await userEvent.click(dialog.getByRole('button', { name: 'Create group' }));
  const details = within(await screen.findByRole('dialog', { name: /lasers/ }));
  expect(await details.findByRole('region', { name: 'Members and managers' })).toBeDefined();
  await userEvent.click(details.getByRole('button', { name: 'Close' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

it('shows managers who is in their groups, which only administrators change', async () => {
  renderPage(<QuotasPage />, { user: 'grace', leads: ['vision'] });
  const people = within(
    await screen.findByRole('region', { name: 'Members and managers of vision' })
  );
  expect((await people.findAllByRole('rowheader')).map(cell => cell.textContent)).toEqual([
    'ada',
    'linus',
    'grace'
  ]);
  expect(people.getByText(/Administrators choose its members/)).toBeDefined();
  expect(people.queryByRole('button')).toBeNull();
});

it('lets a user who may only read change nothing', async () => {
  renderPage(<QuotasPage />);
  await screen.findByText('ada');
  expect(screen.queryByRole('checkbox')).toBeNull();
  expect(screen.queryByRole('button', { name: /Edit$/ })).toBeNull();
  expect(screen.queryByRole('button', { name: 'Import CSV…' })).toBeNull();
});
