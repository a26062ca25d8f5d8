import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { t } from '../../../strings';
import { renderPage } from '../../../testing/renderPage';
import { LabPage } from '../LabPage';

const host = async (name: string) => within(await screen.findByRole('region', { name }));
const tile = async (on: string, name: string) =>
  within((await host(on)).getByRole('article', { name }));

it('shows the state and the user of each GPU', async () => {
  renderPage(<LabPage />, { admin: true });
  expect((await tile('gpu-node-1', 'GPU 0')).getByText('ada')).toBeDefined();
  expect((await tile('gpu-node-1', 'GPU 2')).getByText('Idle')).toBeDefined();
  expect((await tile('gpu-node-1', 'GPU 3')).getByText('Free')).toBeDefined();
  const lost = await tile('gpu-node-1', 'GPU 6');
  expect(lost.getByText('Lost')).toBeDefined();
  expect(lost.getByText(/fallen off the bus/)).toBeDefined();
  expect((await tile('workstation', 'GPU 1')).getByText('2 of 4 slots taken')).toBeDefined();
});

it('filters GPUs by state, and keeps the filter in the address', async () => {
  renderPage(<LabPage />);
  await userEvent.click(await screen.findByRole('button', { name: 'Out of service 3' }));
  expect(screen.getAllByRole('article')).toHaveLength(3);
  expect(window.location.search).toBe('?state=out');
});

it('lets only administrators manage GPUs', async () => {
  renderPage(<LabPage />);
  await host('gpu-node-1');
  expect(screen.queryByRole('button', { name: /Manage/ })).toBeNull();
});

it('drains a GPU and returns one to service', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true });
  const manage = async (name: string) =>
    userEvent.click(await screen.findByRole('button', { name: `Manage gpu-node-1, ${name}` }));
  await manage('GPU 3');
  await userEvent.click(screen.getByRole('button', { name: 'Drain' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await manage('GPU 5');
  await userEvent.click(screen.getByRole('button', { name: 'Return to service' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(lab.gpus[3]?.state).toBe('draining');
  expect(lab.gpus[5]?.state).toBe('free');
});

it('returns all GPUs that are fit, and shows why others are not', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Return all' }));
  const dialog = within(await screen.findByRole('dialog', { name: 'GPUs returned to service' }));
  expect(lab.calls).toEqual(['PATCH gpus']);
  expect(dialog.getByText('Back in service: 1 GPU.')).toBeDefined();
  expect(dialog.getByText('gpu-node-1, GPU 5')).toBeDefined();
  expect(dialog.getByText('gpu-node-1, GPU 6').parentElement?.textContent).toBe(
    'gpu-node-1, GPU 6: The driver reports that it has fallen off the bus.'
  );
  await userEvent.click(dialog.getByRole('button', { name: 'Close' }));
  expect(screen.queryByRole('dialog')).toBeNull();
  expect(lab.gpus[5]?.state).toBe('free');
});

it('offers to return all GPUs only to administrators, and only if there are any', async () => {
  renderPage(<LabPage />);
  await host('gpu-node-1');
  expect(screen.queryByRole('button', { name: 'Return all' })).toBeNull();
});

it('says that no GPU could be returned', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true });
  lab.gpus = lab.gpus.filter(gpu => gpu.state !== 'quarantined');
  await userEvent.click(await screen.findByRole('button', { name: 'Return all' }));
  expect(await screen.findByText('No GPU could be returned.')).toBeDefined();
});

it('shows a GPU that is gone without a number, and forgets it', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true, gone: true });
  const gone = `${lab.gpus[5]?.uuid.slice(0, 12)}… (gone)`;
  const shown = await tile('gpu-node-1', gone);
  expect(shown.getByText('It is gone.')).toBeDefined();
  expect(screen.queryByRole('article', { name: 'GPU 5' })).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: `Manage gpu-node-1, ${gone}` }));
  expect(screen.queryByRole('button', { name: 'Return to service' })).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: t.lab.forget }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(lab.calls.some(call => call.startsWith('DELETE gpus/'))).toBe(true);
});

it('keeps a lost GPU that is still reported', async () => {
  renderPage(<LabPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Manage gpu-node-1, GPU 6' }));
  expect(screen.queryByRole('button', { name: t.lab.forget })).toBeNull();
  expect(screen.getByRole('button', { name: 'Return to service' })).toBeDefined();
});

it('sets the slots only of a GPU that no session uses', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Manage gpu-node-1, GPU 0' }));
  expect(screen.getByRole<HTMLSelectElement>('combobox', { name: 'Slots' }).disabled).toBe(true);
  await userEvent.click(screen.getByRole('button', { name: 'Close' }));
  await userEvent.click(screen.getByRole('button', { name: 'Manage gpu-node-1, GPU 7' }));
  await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Slots' }), '4');
  await userEvent.click(screen.getByRole('button', { name: 'Set slots' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(lab.gpus[7]?.slots).toBe(4);
});

it('stops a session only after confirmation', async () => {
  const { lab } = renderPage(<LabPage />, { admin: true });
  await userEvent.click(await screen.findByRole('button', { name: 'Manage gpu-node-1, GPU 2' }));
  await userEvent.click(screen.getByRole('button', { name: 'Stop server: grace' }));
  expect(lab.calls).toEqual([]);
  await userEvent.click(screen.getByRole('button', { name: 'Stop server' }));
  await waitFor(() => expect(lab.calls).toEqual(['DELETE leases/lease-grace-2']));
});

it('explains that a lab without GPUs runs on the CPU', async () => {
  renderPage(<LabPage />, { empty: true, cpu: true });
  expect(await screen.findByText('This lab runs on the CPU.')).toBeDefined();
  expect(screen.getByText(/no NVIDIA GPU to give.*install its driver and restart/)).toBeDefined();
  expect(screen.queryByText('The lab has no GPU.')).toBeNull();
  expect(document.querySelector('.alert')).toBeNull();
});

it('shows an error when GPUs are listed but cannot be read', async () => {
  const { lab } = renderPage(<LabPage />, { cpu: true });
  expect((await screen.findByText(/no NVIDIA GPU to give/)).className).toContain('alert');
  expect(screen.queryByText('This lab runs on the CPU.')).toBeNull();
  expect(lab.gpus.length).toBeGreaterThan(0);
});

it('shows that there is no GPU', async () => {
  renderPage(<LabPage />, { empty: true });
  expect(await screen.findByText('The lab has no GPU.')).toBeDefined();
  expect(await screen.findByText('Nobody is waiting.')).toBeDefined();
});

it('marks a simulated GPU, and no other', async () => {
  const { lab } = renderPage(<LabPage />);
  lab.gpus = lab.gpus.map((gpu, index) => ({ ...gpu, simulated: index === 0 }));
  expect(await screen.findAllByText('simulated')).toHaveLength(1);
  expect(screen.getAllByRole('article')[0]?.textContent).toContain('simulated');
});
