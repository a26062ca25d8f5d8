/** Renders a page with a fake lab, for tests. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { vi } from 'vitest';
import { Toasts } from '../components/Toasts';
import { DeskContext, type Desk } from '../config';
import { FakeLab, type FakeLabOptions } from './fakeLab';

interface Request {
  readonly method: string;
  readonly xsrf: string | null;
  readonly language: string | null;
}

interface Rendered {
  readonly lab: FakeLab;
  /** The requests that were sent. */
  readonly requests: readonly Request[];
}

interface Options extends Partial<FakeLabOptions> {
  readonly admin?: boolean;
  readonly leads?: readonly string[];
  readonly search?: string;
}

export function renderPage(page: ReactNode, options: Options = {}): Rendered {
  const { admin = false, leads = [], search = '', ...rest } = options;
  const user = rest.user ?? (admin ? 'admin' : 'ada');
  const lab = new FakeLab({
    users: 12,
    empty: false,
    broken: false,
    now: () => Date.now() / 1000,
    ...rest,
    user
  });
  const desk: Desk = {
    api: 'http://desk/api/v1',
    base: '/services/gpudock/',
    hub: '/hub/',
    user,
    read: admin,
    manage: admin,
    leads,
    section: 'mine',
    xsrf: 'the-token'
  };
  const requests: Request[] = [];
  vi.stubGlobal('fetch', async (address: string, init: RequestInit) => {
    const method = init.method ?? 'GET';
    const headers = new Headers(init.headers);
    requests.push({
      method,
      xsrf: headers.get('X-XSRFToken'),
      language: headers.get('Accept-Language')
    });
    const sent: unknown =
      init.body instanceof Blob
        ? new TextDecoder().decode(await init.body.arrayBuffer())
        : typeof init.body === 'string'
          ? JSON.parse(init.body)
          : null;
    const { status, body } = address.startsWith(desk.hub)
      ? lab.respondAsHub(method, address.slice(desk.hub.length))
      : lab.respond(method, address.slice(desk.api.length + 1), sent, headers.get('If-Match'));
    return Promise.resolve(new Response(body === null ? null : JSON.stringify(body), { status }));
  });
  window.history.replaceState(null, '', `/services/gpudock/${search}`);
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <DeskContext value={desk}>
      <QueryClientProvider client={queries}>
        <Toasts>{page}</Toasts>
      </QueryClientProvider>
    </DeskContext>
  );
  return { lab, requests };
}
