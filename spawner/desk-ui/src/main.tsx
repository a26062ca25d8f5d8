/** Puts the page that the template names into the template. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Component, lazy, StrictMode, Suspense, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { Failure, Loading } from './components/Notes';
import { Toasts } from './components/Toasts';
import { DeskContext, readDesk, type Section } from './config';
import { MyGPUs } from './pages/mine/MyGPUs';
import { t } from './strings';
import './style.css';

const PAGES: { readonly [section in Section]: React.ComponentType } = {
  mine: MyGPUs,
  lab: lazy(async () => ({ default: (await import('./pages/lab/LabPage')).LabPage })),
  quotas: lazy(async () => ({ default: (await import('./pages/quotas/QuotasPage')).QuotasPage })),
  usage: lazy(async () => ({ default: (await import('./pages/usage/UsagePage')).UsagePage })),
  audit: lazy(async () => ({ default: (await import('./pages/audit/AuditPage')).AuditPage }))
};

const TRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What the desk refused it refuses again; only silence is worth another try.
      retry: (failures, error) =>
        failures < TRIES &&
        (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
      networkMode: 'always'
    },
    mutations: { retry: false, networkMode: 'always' }
  }
});

/** Says so when a page breaks, instead of leaving it empty. */
class Guard extends Component<{ readonly children: ReactNode }, { readonly broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    return this.state.broken ? <Failure error={new Error(t.errors.broken)} /> : this.props.children;
  }
}

const element = document.getElementById('gpudock-desk');
if (element !== null) {
  const desk = readDesk(element);
  const Page = PAGES[desk.section];
  createRoot(element).render(
    <StrictMode>
      <DeskContext value={desk}>
        <QueryClientProvider client={queries}>
          <Guard>
            <Toasts>
              <Suspense fallback={<Loading what={t.loading} />}>
                <Page />
              </Suspense>
            </Toasts>
          </Guard>
        </QueryClientProvider>
      </DeskContext>
    </StrictMode>
  );
}
