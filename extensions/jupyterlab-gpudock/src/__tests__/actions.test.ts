import type { JupyterFrontEnd } from '@jupyterlab/application';
import { fireEvent, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { createActions, type IPanelModels } from '../components/actions';
import { loadTexts } from '../messages/translation';
import { APIError } from '../model/api';
import { Ending } from '../model/ending';
import { Lease } from '../model/lease';
import { FakeAPI, FakePage } from './fakes';
import { lease } from './samples';

let server: FakeAPI;
let model: Lease;
let ending: Ending;
let done: string[];

/** Stop the server in the panel, and confirm it. */
async function release(): Promise<void> {
  const app = {
    commands: {
      hasCommand: () => true,
      execute: (id: string) => {
        done.push(id);
        return Promise.resolve();
      }
    }
  } as unknown as JupyterFrontEnd;
  const models = { lease: model, ending, trans: loadTexts(null) } as unknown as IPanelModels;
  await model.load();
  createActions(app, models).releaseLease();
  fireEvent.click(await screen.findByLabelText('Stop server'));
}

beforeEach(() => {
  server = new FakeAPI();
  server.leaseResponse = () => lease({ lease: 'lease/7', desk: '/services/gpudock/' });
  model = new Lease(server, new FakePage());
  ending = new Ending();
  done = [];
  const assign = (page: string): void => void done.push(page);
  vi.stubGlobal('location', { assign });
});

afterEach(() => {
  vi.unstubAllGlobals();
  model.dispose();
});

test('a released GPU leads to the page that shows the end, with all files saved', async () => {
  server.releaseLease = () => {
    done.push('release');
    return Promise.reject(new TypeError('Failed to fetch'));
  };
  await release();
  const page = '/services/gpudock/?ended=lease%2F7';
  await vi.waitFor(() => expect(done).toEqual(['docmanager:save-all', 'release', page]));
  expect(ending.isExpected).toBe(true);
  expect(model.view.error).toBeNull();
});

test('a GPU that is not released is an error, and an outage after it is one', async () => {
  server.releaseLease = () => Promise.reject(new APIError(503, 'unreachable', 'No response.'));
  await release();
  await vi.waitFor(() => expect(model.view.error?.code).toBe('unreachable'));
  expect(done).toEqual(['docmanager:save-all']);
  expect(ending.isExpected).toBe(false);
});
