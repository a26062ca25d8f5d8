import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import { type ReactElement, useEffect, useState } from 'react';

import type { Settings } from '../model/settings';
import { FRESH_MS, statusText } from '../messages/status';
import type { IGPUModel } from '../model/tokens';

/** How often the status bar wants readings when it is live on its own. */
const LIVE_INTERVAL_S = 5;
/**
 * The GPU in the status bar. It shows what comes for the panel; while that is closed, it takes a
 * single reading now and then, or, if the person prefers so, keeps slow readings coming.
 */
export class GPUStatus extends ReactWidget {
  constructor(
    private readonly gpus: IGPUModel,
    private readonly settings: Settings,
    private readonly trans: TranslationBundle,
    private readonly onOpen: () => void
  ) {
    super();
    this.addClass('jp-GPUDock-status');
    settings.changed.connect(this.follow);
    this.follow();
  }

  override dispose(): void {
    this.settings.changed.disconnect(this.follow);
    this.live?.dispose();
    super.dispose();
  }

  protected override render(): ReactElement {
    const { gpus, settings, trans, onOpen } = this;
    return <Status gpus={gpus} settings={settings} trans={trans} onOpen={onOpen} />;
  }

  private readonly follow = (): void => {
    const { statusBar, statusBarLive, intervalSeconds } = this.settings.view;
    this.live?.dispose();
    this.live =
      statusBar && statusBarLive
        ? this.gpus.watch(Math.max(LIVE_INTERVAL_S, intervalSeconds))
        : null;
  };

  private live: IDisposable | null = null;
}

function Status(props: {
  gpus: IGPUModel;
  settings: Settings;
  trans: TranslationBundle;
  onOpen: () => void;
}): ReactElement | null {
  const { gpus, settings, trans, onOpen } = props;
  const [shown, setShown] = useState(() => ({ view: gpus.view, now: Date.now() }));
  useEffect(() => {
    let aging: ReturnType<typeof setTimeout> | undefined;
    const follow = (): void => {
      clearTimeout(aging);
      setShown({ view: gpus.view, now: Date.now() });
      const left = gpus.view.takenAt + FRESH_MS - Date.now();
      if (left > 0) {
        aging = setTimeout(follow, left + 1);
      }
    };
    follow();
    gpus.changed.connect(follow);
    settings.changed.connect(follow);
    return () => {
      clearTimeout(aging);
      gpus.changed.disconnect(follow);
      settings.changed.disconnect(follow);
    };
  }, [gpus, settings]);
  const status = statusText(shown.view, shown.now, { trans, preferences: settings.view });
  return (
    status && (
      <button
        type="button"
        className="jp-GPUDock-status-button"
        title={status.title}
        onClick={onOpen}
      >
        {status.text}
      </button>
    )
  );
}
