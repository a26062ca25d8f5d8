import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { renderPage } from '../../../testing/renderPage';
import { GroupPeople } from '../GroupPeople';
import { QuotasPage } from '../QuotasPage';

async function open(group: string) {
  const shown = renderPage(<GroupPeople name={group} onDeleted={() => undefined} />, {
    admin: true
  });
  const people = within(await screen.findByRole('region', { name: 'Members and managers' }));
  const row = async (name: string) => {
    const cell = await people.findByRole('rowheader', { name });
    return within(cell.closest('tr') ?? cell);
  };
  return { ...shown, people, row };
}

it('makes a member a manager, and undoes it', async () => {
  const { lab, row } = await open('vision');
  await userEvent.click((await row('linus')).getByRole('button', { name: 'Make manager: linus' }));
  expect(await screen.findByText('linus is a manager now.')).toBeDefined();
  expect(await (await row('linus')).findByText('Manager')).toBeDefined();
  await userEvent.click(
    (await row('linus')).getByRole('button', { name: 'Make plain member: linus' })
  );
  expect(await screen.findByText('linus is no manager any more.')).toBeDefined();
  expect(lab.calls).toEqual([
    'PUT groups/vision/managers/linus',
    'DELETE groups/vision/managers/linus'
  ]);
});

it('adds and removes members, and shows why a user cannot be added', async () => {
  const { lab, people, row } = await open('vision');
  await userEvent.type(await people.findByLabelText('Add a user'), 'nobody');
  await userEvent.click(people.getByRole('button', { name: 'Add' }));
  expect((await people.findByRole('alert')).textContent).toBe('The Hub knows no user "nobody".');
  await userEvent.clear(people.getByLabelText('Add a user'));
  await userEvent.type(people.getByLabelText('Add a user'), 'margaret{Enter}');
  await row('margaret');
  await userEvent.click(
    (await row('linus')).getByRole('button', { name: 'Remove linus from the group' })
  );
  expect(await screen.findByText('linus is no longer in vision.')).toBeDefined();
  expect(lab.groups[0]?.members.map(member => member.name)).toEqual(['ada', 'margaret']);
});

it('shows what comes from the configuration, without a way to change it', async () => {
  const { row } = await open('vision');
  for (const name of ['ada', 'grace']) {
    expect((await row(name)).getByText('from the configuration')).toBeDefined();
    expect((await row(name)).queryByRole('button', { name: /Remove|plain member/ })).toBeNull();
  }
});

it('creates a group, and deletes one after confirmation', async () => {
  const { lab } = renderPage(<QuotasPage />, { admin: true, search: '?level=group' });
  await userEvent.click(await screen.findByRole('button', { name: 'New group…' }));
  const dialog = within(await screen.findByRole('dialog', { name: 'New group' }));
  await userEvent.type(dialog.getByLabelText('Name'), ' audio {Enter}');
  expect(await screen.findByText('The group audio was created.')).toBeDefined();
  expect(lab.groups.map(group => group.name)).toContain('audio');
  expect(lab.calls).toEqual(['PUT groups/audio']);
});
