/** Renders the page that the template asks for. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Component, lazy, StrictMode, Suspense, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { ErrorAlert, Loading } from './components/Status';
import { Toasts } from './components/Toasts';
import { DeskContext, readDesk, type Section } from './config';
import { showPendingAccounts, translateFrame } from './frame';
import { MyGPUs } from './pages/mine/MyGPUs';
import { t } from './strings';
import './style.css';

const PAGES: { readonly [section in Section]: React.ComponentType } = {
  mine: MyGPUs,
  lab: lazy(async () => ({ default: (await import('./pages/lab/LabPage')).LabPage })),
  quotas: lazy(async () => ({ default: (await import('./pages/quotas/QuotasPage')).QuotasPage })),
  usage: lazy(async () => ({ default: (await import('./pages/usage/UsagePage')).UsagePage })),
  sessions: lazy(async () => ({
    default: (await import('./pages/sessions/SessionsPage')).SessionsPage
  })),
  audit: lazy(async () => ({ default: (await import('./pages/audit/AuditPage')).AuditPage }))
};

const MAX_RETRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Retry only if there was no response or the desk failed, not if it rejected the request.
      retry: (failures, error) =>
        failures < MAX_RETRIES && !(error instanceof ApiError && error.isRejection),
      networkMode: 'always'
    },
    mutations: { retry: false, networkMode: 'always' }
  }
});

/** Shows a message when a page fails to render, instead of an empty page. */
class ErrorBoundary extends Component<
  { readonly children: ReactNode },
  { readonly failed: boolean }
> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? (
      <ErrorAlert error={new Error(t.errors.broken)} />
    ) : (
      this.props.children
    );
  }
}

const element = document.getElementById('gpudock-desk');
if (element !== null) {
  const desk = readDesk(element);
  translateFrame(desk.section);
  void showPendingAccounts(desk);
  const Page = PAGES[desk.section];
  createRoot(element).render(
    <StrictMode>
      <DeskContext value={desk}>
        <QueryClientProvider client={queries}>
          <ErrorBoundary>
            <Toasts>
              <Suspense fallback={<Loading what={t.loading} />}>
                <Page />
              </Suspense>
            </Toasts>
          </ErrorBoundary>
        </QueryClientProvider>
      </DeskContext>
    </StrictMode>
  );
}
