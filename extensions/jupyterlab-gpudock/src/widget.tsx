import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { type ReactElement, useEffect, useState } from 'react';

import { Panel } from './components/panel';
import { gpuIcon } from './icon';
import type { IGPUModel } from './tokens';

const AGE_TICK_MS = 1000;

/** The panel in the sidebar. It watches the model only while it can be seen. */
export class GPUPanel extends ReactWidget {
  constructor(
    private readonly model: IGPUModel,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = 'jp-gpudock-panel';
    this.addClass('jp-GPUDock');
    this.title.icon = gpuIcon;
    this.title.caption = trans.__('GPU');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('GPU'));
  }

  override dispose(): void {
    this.stopWatching();
    super.dispose();
  }

  protected override render(): ReactElement {
    return <LivePanel model={this.model} trans={this.trans} />;
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
    this.watching ??= this.model.watch();
  }

  private stopWatching(): void {
    this.watching?.dispose();
    this.watching = null;
  }

  private watching: IDisposable | null = null;
}

function LivePanel(props: { model: IGPUModel; trans: TranslationBundle }): ReactElement {
  const { model, trans } = props;
  const [view, setView] = useState(model.view);
  const [now, setNow] = useState(() => Date.now());
  const isOld = view.trouble !== null || view.stale;
  useEffect(() => {
    const follow = (): void => {
      setView(model.view);
      setNow(Date.now());
    };
    follow();
    model.changed.connect(follow);
    return () => void model.changed.disconnect(follow);
  }, [model]);
  useEffect(() => {
    if (!isOld) {
      return;
    }
    const ticking = setInterval(() => setNow(Date.now()), AGE_TICK_MS);
    return () => clearInterval(ticking);
  }, [isOld]);
  return (
    <Panel
      view={view}
      now={now}
      trans={trans}
      onRefreshStack={() => void model.refreshStack()}
      onReconnect={() => model.reconnect()}
    />
  );
}
