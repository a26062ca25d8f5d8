import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import { type ReactElement, useCallback, useSyncExternalStore } from 'react';

import { isOld, MAX_AGE_MS, statusText } from '../messages/status';
import type { Settings } from '../model/settings';
import type { IGPUModel } from '../model/tokens';
import { useView } from './hooks';

/** The minimum interval of readings that only the status bar requests. */
const LIVE_INTERVAL_S = 5;

/**
 * The GPU in the status bar. It shows the readings of the panel. While the panel is closed, it
 * shows occasional single readings or, if the user prefers, requests readings at a low rate.
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
    settings.changed.connect(this.requestReadings);
    this.requestReadings();
  }

  override dispose(): void {
    this.settings.changed.disconnect(this.requestReadings);
    this.readings?.dispose();
    super.dispose();
  }

  protected override render(): ReactElement {
    const { gpus, settings, trans, onOpen } = this;
    return <Status gpus={gpus} settings={settings} trans={trans} onOpen={onOpen} />;
  }

  private readonly requestReadings = (): void => {
    const { statusBar, statusBarLive, intervalSeconds } = this.settings.view;
    this.readings?.dispose();
    this.readings =
      statusBar && statusBarLive
        ? this.gpus.watch(Math.max(LIVE_INTERVAL_S, intervalSeconds))
        : null;
  };

  private readings: IDisposable | null = null;
}

function Status(props: {
  gpus: IGPUModel;
  settings: Settings;
  trans: TranslationBundle;
  onOpen: () => void;
}): ReactElement | null {
  const { trans, onOpen } = props;
  const view = useView(props.gpus);
  const preferences = useView(props.settings);
  const { takenAt } = view;
  const subscribe = useCallback(
    (notify: () => void) => {
      let timer: ReturnType<typeof setTimeout>;
      // Timers may end early by the clock, which may also be set back meanwhile.
      const wait = () => {
        const leftMs = takenAt + MAX_AGE_MS - Date.now();
        if (leftMs < 0) notify();
        else timer = setTimeout(wait, leftMs + 1);
      };
      wait();
      return () => clearTimeout(timer);
    },
    [takenAt]
  );
  const hideFigures = useSyncExternalStore(subscribe, () => isOld(view, Date.now()));
  const status = statusText(view, hideFigures, { trans, preferences });
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
