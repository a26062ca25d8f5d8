import { ReactWidget } from '@jupyterlab/ui-components';
import { type IDisposable, DisposableSet } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { ReactElement } from 'react';

import type { IActions, IPanelModels } from './actions';
import { DisplayContext } from './display';
import { useNow, useView } from './hooks';
import { gpuIcon } from './icon';
import { Panel } from './panel';

/** The panel in the sidebar. It watches the models, and renders, only while it is visible. */
export class GPUPanel extends ReactWidget {
  constructor(
    private readonly models: IPanelModels,
    private readonly actions: IActions
  ) {
    super();
    const { trans } = models;
    this.id = 'jp-gpudock-panel';
    this.addClass('jp-GPUDock');
    this.title.icon = gpuIcon;
    this.title.caption = trans.__('GPU');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('GPU'));
    // A panel that is taller than the sidebar can be scrolled with the keyboard.
    this.node.tabIndex = 0;
  }

  override dispose(): void {
    this.stopWatching();
    super.dispose();
  }

  protected override render(): ReactElement {
    const { models, actions } = this;
    return <LivePanel models={models} actions={actions} isActive={this.watching !== null} />;
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.watch();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    if (this.isVisible) {
      this.watch();
    }
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.stopWatching();
  }

  protected override onBeforeDetach(msg: Message): void {
    this.stopWatching();
    super.onBeforeDetach(msg);
  }

  private watch(): void {
    if (!this.watching) {
      const { gpus, kernel, checks, lease, limits, settings } = this.models;
      this.watching = DisposableSet.from([kernel.watch(), lease.watch(), limits.watch()]);
      this.requestReadings();
      settings.changed.connect(this.requestReadings);
      void checks.load();
      gpus.reconnect();
      this.update();
    }
  }

  /** Request readings at the preferred interval. */
  private readonly requestReadings = (): void => {
    const previous = this.readings;
    const { intervalSeconds } = this.models.settings.view;
    this.readings = this.models.gpus.watch(intervalSeconds > 0 ? intervalSeconds : null);
    previous?.dispose();
  };

  private stopWatching(): void {
    this.models.settings.changed.disconnect(this.requestReadings);
    this.watching?.dispose();
    this.watching = null;
    this.readings?.dispose();
    this.readings = null;
    this.update();
  }

  private watching: IDisposable | null = null;
  private readings: IDisposable | null = null;
}

function LivePanel(props: {
  models: IPanelModels;
  actions: IActions;
  isActive: boolean;
}): ReactElement {
  const { models, actions, isActive } = props;
  const view = {
    gpus: useView(models.gpus, isActive),
    kernel: useView(models.kernel, isActive),
    checks: useView(models.checks, isActive),
    lease: useView(models.lease, isActive),
    limits: useView(models.limits, isActive)
  };
  const preferences = useView(models.settings, isActive);
  const isOld = view.gpus.problem !== null || view.gpus.stale;
  const now = useNow(isActive && (isOld || view.lease.lease?.managed === true));
  return (
    <DisplayContext.Provider value={{ trans: models.trans, preferences }}>
      <Panel view={view} now={now} actions={actions} />
    </DisplayContext.Provider>
  );
}
