import { type ReactElement, useCallback, useState } from 'react';

import type { IActions } from './actions';
import type { IChecksView } from '../model/checks';
import type { ILease } from '../model/contract';
import type { IKernelView } from '../model/kernel';
import type { ILeaseView } from '../model/lease';
import type { IGPUView } from '../model/tokens';
import { useDisplay } from './display';
import { staleMessage, problemMessage } from '../messages/state';
import { CheckCard } from './checkCard';
import { GPUCard } from './gpuCard';
import { GPURow, titleOf } from './gpuRow';
import { ErrorBoundary } from './errorBoundary';
import { KernelCard } from './kernelCard';
import { LeaseCard } from './leaseCard';
import { Notice } from './notice';
import { StackCard } from './stackCard';
import { StateNotice } from './stateNotice';

/** More GPUs than this are shown as rows, so that all of them are seen at once. */
const MAX_CARDS = 3;
/** More than this have a line each instead of two, where their names are the same. */
const MAX_TALL_ROWS = 8;

/** All that the panel shows, at one moment. */
export interface IPanelView {
  readonly gpus: IGPUView;
  readonly kernel: IKernelView;
  readonly checks: IChecksView;
  readonly lease: ILeaseView;
}

/** The whole panel for one moment. */
export function Panel(props: {
  view: IPanelView;
  /** This page's clock, in milliseconds. */
  now: number;
  actions: IActions;
}): ReactElement {
  const { view, now, actions } = props;
  const { snapshot } = view.gpus;
  const { lease } = view.lease;
  const isOld = view.gpus.problem !== null || view.gpus.stale;
  return (
    <div className="jp-GPUDock-panel" data-old={isOld}>
      <Connectivity
        view={view.gpus}
        ageMs={snapshot ? now - view.gpus.takenAt : null}
        actions={actions}
      />
      <ErrorBoundary>
        <LeaseCard view={view.lease} now={now} actions={actions} />
      </ErrorBoundary>
      {snapshot && snapshot.state !== 'ok' && snapshot.gpus.length === 0 && (
        <StateNotice
          state={snapshot.state}
          detail={snapshot.detail}
          level={snapshot.state === 'no_gpu' || snapshot.state === 'no_driver' ? 'normal' : 'alarm'}
          lease={lease}
          actions={actions}
        />
      )}
      {snapshot && (
        <>
          <ErrorBoundary>
            <GPUs view={view.gpus} lease={lease} actions={actions} />
          </ErrorBoundary>
          <ErrorBoundary>
            <KernelCard view={view.kernel} actions={actions} />
          </ErrorBoundary>
          <ErrorBoundary>
            <StackCard
              stack={view.gpus.stack}
              status={view.gpus.stackStatus}
              environments={view.gpus.environments}
              actions={actions}
            />
          </ErrorBoundary>
          <ErrorBoundary>
            <CheckCard
              gpus={snapshot.gpus}
              checks={view.checks}
              environments={view.gpus.environments}
              actions={actions}
            />
          </ErrorBoundary>
        </>
      )}
    </div>
  );
}

/** A few GPUs as cards, many as rows of which one is open. */
function GPUs(props: {
  view: IGPUView;
  lease: ILease | null;
  actions: IActions;
}): ReactElement | null {
  const { view, lease, actions } = props;
  const { trans } = useDisplay();
  const [open, setOpen] = useState<string | null>(null);
  const toggle = useCallback((uuid: string) => setOpen(now => (now === uuid ? null : uuid)), []);
  const { snapshot } = view;
  if (!snapshot || snapshot.gpus.length === 0) {
    return null;
  }
  const all = snapshot.gpus.map(gpu => ({
    key: gpu.uuid || gpu.index,
    gpu,
    points: view.history.get(gpu.uuid) ?? [],
    intervalS: snapshot.interval_s,
    lease,
    actions
  }));
  if (all.length <= MAX_CARDS) {
    return (
      <>
        {all.map(({ key, ...gpu }) => (
          <GPUCard key={key} {...gpu} />
        ))}
      </>
    );
  }
  const titles = new Set(all.map(({ gpu }) => titleOf(gpu, trans)));
  const isAlike = titles.size === 1;
  return (
    <section
      className="jp-GPUDock-card"
      data-dense={isAlike && all.length > MAX_TALL_ROWS}
      aria-label={trans.__('GPUs')}
    >
      <header className="jp-GPUDock-card-header">
        <h3>
          {isAlike
            ? trans.__('%1 × %2', all.length, [...titles][0])
            : trans._n('%1 GPU', '%1 GPUs', all.length)}
        </h3>
      </header>
      {all.map(({ key, ...gpu }) => (
        <GPURow key={key} {...gpu} open={open === key} onToggle={() => toggle(key)} />
      ))}
    </section>
  );
}

/** Why what is shown is not of this moment; nothing when it is. */
function Connectivity(props: {
  view: IGPUView;
  ageMs: number | null;
  actions: IActions;
}): ReactElement | null {
  const { view, ageMs, actions } = props;
  const { trans } = useDisplay();
  if (view.problem) {
    return (
      <Notice level="notice" words={problemMessage(view.problem, ageMs, trans)}>
        <button type="button" className="jp-GPUDock-button" onClick={actions.reconnect}>
          {trans.__('Try now')}
        </button>
      </Notice>
    );
  }
  if (view.stale) {
    return <Notice level="notice" words={staleMessage(ageMs, trans)} />;
  }
  return view.snapshot ? null : (
    <p className="jp-GPUDock-hint" role="status">
      {trans.__('Looking for GPUs…')}
    </p>
  );
}
