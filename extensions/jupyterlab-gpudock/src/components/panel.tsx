import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { IGPUView } from '../tokens';
import { wordsForStale, wordsForState, wordsForTrouble } from '../words';
import { GPUCard } from './gpuCard';
import { Notice } from './notice';
import { StackCard } from './stackCard';

/** The whole panel for one view. */
export function Panel(props: {
  view: IGPUView;
  /** This page's clock, in milliseconds. */
  now: number;
  onRefreshStack: () => void;
  onReconnect: () => void;
  trans: TranslationBundle;
}): ReactElement {
  const { view, now, trans } = props;
  const { snapshot } = view;
  const isOld = view.trouble !== null || view.stale;
  return (
    <div className="jp-GPUDock-panel" data-old={isOld}>
      <Connectivity {...props} ageMs={snapshot ? now - view.takenAt : null} />
      {snapshot && snapshot.state !== 'ok' && snapshot.gpus.length === 0 && (
        <Notice
          level={snapshot.state === 'no_gpu' || snapshot.state === 'no_driver' ? 'normal' : 'alarm'}
          words={wordsForState(snapshot.state, snapshot.detail, view.lease, trans)}
        />
      )}
      {snapshot?.gpus.map(gpu => (
        <GPUCard
          key={gpu.uuid || gpu.index}
          gpu={gpu}
          points={view.history.get(gpu.uuid) ?? []}
          intervalS={snapshot.interval_s}
          lease={view.lease}
          trans={trans}
        />
      ))}
      {snapshot && (
        <StackCard
          stack={view.stack}
          status={view.stackStatus}
          onRefresh={props.onRefreshStack}
          trans={trans}
        />
      )}
    </div>
  );
}

/** Why what is shown is not of this moment; nothing when it is. */
function Connectivity(props: {
  view: IGPUView;
  ageMs: number | null;
  onReconnect: () => void;
  trans: TranslationBundle;
}): ReactElement | null {
  const { view, ageMs, trans } = props;
  if (view.trouble) {
    return (
      <Notice level="notice" words={wordsForTrouble(view.trouble, ageMs, trans)}>
        <button type="button" className="jp-GPUDock-button" onClick={props.onReconnect}>
          {trans.__('Try now')}
        </button>
      </Notice>
    );
  }
  if (view.stale) {
    return <Notice level="notice" words={wordsForStale(ageMs, trans)} />;
  }
  return view.snapshot ? null : (
    <p className="jp-GPUDock-hint" role="status">
      {trans.__('Looking for GPUs…')}
    </p>
  );
}
