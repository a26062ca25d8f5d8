import { type ReactElement, useState } from 'react';

import { gpuLabel, gpuTrouble, gpuWeight } from '../messages/gpu';
import { problemMessage, staleMessage } from '../messages/state';
import type { IChecksView } from '../model/checks';
import type { ILease } from '../model/contract';
import type { IKernelView } from '../model/kernel';
import type { ILeaseView } from '../model/lease';
import type { ILimitsView } from '../model/limits';
import type { IGPUView } from '../model/tokens';
import type { IActions } from './actions';
import { CheckCard } from './checkCard';
import { useDisplay } from './display';
import { Button } from './elements';
import { ErrorBoundary } from './errorBoundary';
import { GPUCard } from './gpuCard';
import { GPURow, gpuTitle } from './gpuRow';
import { KernelCard } from './kernelCard';
import { LeaseCard } from './leaseCard';
import { LimitsCard } from './limitsCard';
import { Notice } from './notice';
import { StackCard } from './stackCard';
import { StateNotice } from './stateNotice';

/** More GPUs than this are shown as rows, so that all of them are visible at once. */
const MAX_CARDS = 3;
/** More rows than this have one line instead of two, if all GPUs have the same name. */
const MAX_TALL_ROWS = 8;

/** Everything that the panel shows. */
export interface IPanelView {
  readonly gpus: IGPUView;
  readonly kernel: IKernelView;
  readonly checks: IChecksView;
  readonly lease: ILeaseView;
  readonly limits: ILimitsView;
}

/** The contents of the panel. */
export function Panel(props: {
  view: IPanelView;
  /** This page's clock, in milliseconds. */
  now: number;
  actions: IActions;
}): ReactElement {
  const { view, now, actions } = props;
  const { gpus, kernel, checks } = view;
  const { snapshot, environments } = gpus;
  const { lease } = view.lease;
  return (
    <div className="jp-GPUDock-panel" data-old={gpus.problem !== null || gpus.stale}>
      <ConnectionNotice
        view={gpus}
        ageMs={snapshot ? now - gpus.takenAt : null}
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
            <GPUs view={gpus} lease={lease} actions={actions} />
          </ErrorBoundary>
          <ErrorBoundary>
            <KernelCard view={kernel} actions={actions} />
          </ErrorBoundary>
          <ErrorBoundary>
            <StackCard
              stack={gpus.stack}
              status={gpus.stackStatus}
              environments={environments}
              actions={actions}
            />
          </ErrorBoundary>
          <ErrorBoundary>
            <CheckCard
              gpus={snapshot.gpus}
              checks={checks}
              lease={lease}
              environments={environments}
              actions={actions}
            />
          </ErrorBoundary>
        </>
      )}
      <ErrorBoundary>
        <LimitsCard view={view.limits} />
      </ErrorBoundary>
    </div>
  );
}

/** A few GPUs as cards, or many as rows of which one is open; those with a problem come first. */
function GPUs(props: {
  view: IGPUView;
  lease: ILease | null;
  actions: IActions;
}): ReactElement | null {
  const { view, lease, actions } = props;
  const { trans } = useDisplay();
  const [open, setOpen] = useState<string | null>(null);
  const { snapshot } = view;
  if (!snapshot || snapshot.gpus.length === 0) {
    return null;
  }
  const all = snapshot.gpus.map(gpu => ({
    key: gpu.uuid || gpu.index,
    gpu,
    label: gpuLabel(gpu, snapshot.gpus, lease, trans),
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
  const byWeight = [...all].sort(
    (one, other) => gpuWeight(other.gpu, trans) - gpuWeight(one.gpu, trans)
  );
  const failing = all.filter(({ gpu }) => gpuTrouble(gpu, lease, trans)?.level === 'alarm').length;
  const [title, ...others] = new Set(all.map(({ gpu }) => gpuTitle(gpu, trans)));
  const isUniform = others.length === 0;
  return (
    <section
      className="jp-GPUDock-card"
      data-dense={isUniform && all.length > MAX_TALL_ROWS}
      aria-label={trans.__('GPUs')}
    >
      <header className="jp-GPUDock-card-header">
        <h3>
          {isUniform
            ? trans.__('%1 × %2', all.length, title)
            : trans._n('%1 GPU', '%1 GPUs', all.length)}
        </h3>
        {failing > 0 && (
          <span className="jp-GPUDock-row-word" data-level="alarm">
            <span className="jp-GPUDock-word">
              {trans._n('%1 with a problem', '%1 with problems', failing)}
            </span>
          </span>
        )}
      </header>
      {byWeight.map(({ key, ...gpu }) => (
        <GPURow
          key={key}
          {...gpu}
          open={open === key}
          onToggle={() => setOpen(open === key ? null : key)}
        />
      ))}
    </section>
  );
}

/** Why the values shown are not current, if they are not. */
function ConnectionNotice(props: {
  view: IGPUView;
  ageMs: number | null;
  actions: IActions;
}): ReactElement | null {
  const { view, ageMs, actions } = props;
  const { trans } = useDisplay();
  if (view.problem) {
    return (
      <Notice level="notice" message={problemMessage(view.problem, ageMs, trans)}>
        <Button onClick={actions.reconnect}>{trans.__('Try now')}</Button>
      </Notice>
    );
  }
  if (view.stale) {
    return <Notice level="notice" message={staleMessage(ageMs, trans)} />;
  }
  return view.snapshot ? null : (
    <p className="jp-GPUDock-hint" role="status">
      {trans.__('Looking for GPUs…')}
    </p>
  );
}
