import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { renderPage } from '../../../testing/renderPage';
import { QuotasPage } from '../QuotasPage';

const HEAD = 'level,name,max_gpus\n';

async function open() {
  const shown = renderPage(<QuotasPage />, { admin: true, user: 'ada' });
  await userEvent.click(await screen.findByRole('button', { name: 'Import CSV…' }));
  const dialog = within(screen.getByRole('dialog'));
  const choose = (text: string) =>
    userEvent.upload(dialog.getByLabelText('CSV file'), new File([HEAD + text], 'limits.csv'));
  const button = () => dialog.getByRole<HTMLButtonElement>('button', { name: 'Import' });
  const number = (label: string) => dialog.getByText(label).nextElementSibling?.textContent;
  return { ...shown, dialog, choose, button, number };
}

it('previews the changes of a file, and imports nothing before confirmation', async () => {
  const { lab, dialog, choose, button, number } = await open();
  expect(button().disabled).toBe(true);
  await choose('user,ada,0\nuser,linus,\nuser,grace,2\nuser,margaret,\n');
  await dialog.findByRole('heading', { name: 'Changes in "limits.csv"' });
  expect(['New', 'Changed', 'Removed', 'Unchanged'].map(number)).toEqual(['1', '1', '1', '1']);
  expect(dialog.getByText(/2 running sessions would exceed their limits/)).toBeDefined();
  expect(dialog.getByText('Show each change')).toBeDefined();
  expect(lab.calls).toEqual(['POST quotas.csv/preview']);
  await userEvent.click(button());
  expect(await screen.findByText('3 levels changed by the import.')).toBeDefined();
  expect(lab.documents.get('user/ada')?.document).toEqual({ max_gpus: 0 });
  expect(screen.queryByRole('dialog')).toBeNull();
});

it('lists problems by line, and accepts the fixed file', async () => {
  const { dialog, choose, button, lab } = await open();
  await choose('user,ada,many\nuser,grace,2\nuser,linus,x\n');
  const alert = await dialog.findByRole('alert');
  expect(alert.textContent).toMatch(/^2 problems\. Nothing can be imported/);
  expect(
    within(alert)
      .getAllByRole('listitem')
      .map(item => item.textContent)
  ).toEqual([
    'Line 2: max_gpus is a whole number, or null for no limit.',
    'Line 4: max_gpus is a whole number, or null for no limit.'
  ]);
  expect(button().disabled).toBe(true);
  await choose('user,grace,2\n');
  await waitFor(() => expect(button().disabled).toBe(false));
  expect(dialog.queryByRole('alert')).toBeNull();
  await userEvent.click(button());
  await screen.findByText('1 level changed by the import.');
  expect(lab.documents.get('user/grace')?.document).toEqual({ max_gpus: 2 });
});

it('shows that someone else changed a limit, and previews the file again', async () => {
  const { lab, dialog, choose, button, number } = await open();
  await choose('user,grace,2\nuser,margaret,3\n');
  await waitFor(() => expect(button().disabled).toBe(false));
  lab.put('user', 'grace', { max_gpus: 7 }, 'grace');
  await userEvent.click(button());
  expect((await dialog.findByRole('alert')).textContent).toBe(
    'Quotas were changed by grace since the preview.'
  );
  await waitFor(() => expect(number('Changed')).toBe('1'));
  expect(lab.documents.get('user/grace')?.document).toEqual({ max_gpus: 7 });
  expect(lab.documents.has('user/margaret')).toBe(false);
  await userEvent.click(button());
  await screen.findByText('2 levels changed by the import.');
  expect(lab.documents.get('user/grace')?.document).toEqual({ max_gpus: 2 });
});

it('imports nothing from a file without changes', async () => {
  const { dialog, choose, button } = await open();
  await choose('user,margaret,\n');
  expect(await dialog.findByText(/There is nothing to import/)).toBeDefined();
  expect(button().disabled).toBe(true);
});

it('names users whom the lab does not know, and imports the file nevertheless', async () => {
  const { lab, dialog, choose, button } = await open();
  await choose('user,grace,2\nuser,garce,2\n');
  const warning = await dialog.findByText(/One line is about somebody whom the lab does not know/);
  expect(warning.parentElement?.textContent).toContain('Line 3: the lab has no user "garce".');
  await userEvent.click(button());
  await screen.findByText('2 levels changed by the import.');
  expect(lab.documents.get('user/grace')?.document).toEqual({ max_gpus: 2 });
});
