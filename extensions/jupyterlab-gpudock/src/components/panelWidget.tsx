import { ReactWidget } from '@jupyterlab/ui-components';
import { DisposableSet } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { type ReactElement, useEffect, useState } from 'react';

import type { IActions } from './actions';
import type { Checks } from '../model/checks';
import { type IPanelView, Panel } from './panel';
import { gpuIcon } from './icon';
import type { ActiveKernel } from '../model/kernel';
import type { Lease } from '../model/lease';
import type { Settings } from '../model/settings';
import type { IGPUModel } from '../model/tokens';
import { type IDisplay, DisplayContext } from './display';

const COUNTDOWN_MS = 1000;

/** Everything that the panel shows and does. */
export interface IPanelContext {
  readonly gpus: IGPUModel;
  readonly kernel: ActiveKernel;
  readonly checks: Checks;
  readonly lease: Lease;
  readonly settings: Settings;
  readonly trans: IDisplay['trans'];
  readonly actions: IActions;
}

/** The panel in the sidebar. It watches, and draws, only while it can be seen. */
export class GPUPanel extends ReactWidget {
  constructor(private readonly parts: IPanelContext) {
    super();
    const { trans } = parts;
    this.id = 'jp-gpudock-panel';
    this.addClass('jp-GPUDock');
    this.title.icon = gpuIcon;
    this.title.caption = trans.__('GPU');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('GPU'));
    // A panel that is longer than the sidebar is scrolled with the keyboard, too.
    this.node.tabIndex = 0;
  }

  override dispose(): void {
    this.stopWatching();
    super.dispose();
  }

  protected override render(): ReactElement {
    return <LivePanel {...this.parts} seen={this.watching !== null} />;
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
      const { gpus, kernel, checks, lease, settings } = this.parts;
      this.watching = DisposableSet.from([kernel.watch(), lease.watch()]);
      this.wish();
      settings.changed.connect(this.wish);
      void checks.load();
      gpus.reconnect();
      this.update();
    }
  }

  /** Ask for readings as often as the person likes. */
  private readonly wish = (): void => {
    const before = this.stream;
    const { intervalSeconds } = this.parts.settings.view;
    this.stream = this.parts.gpus.watch(intervalSeconds > 0 ? intervalSeconds : null);
    before?.dispose();
  };

  private stopWatching(): void {
    this.parts.settings.changed.disconnect(this.wish);
    this.watching?.dispose();
    this.watching = null;
    this.stream?.dispose();
    this.stream = null;
    this.update();
  }

  private watching: DisposableSet | null = null;
  private stream: ReturnType<IGPUModel['watch']> | null = null;
}

function LivePanel(props: IPanelContext & { seen: boolean }): ReactElement {
  const { gpus, kernel, checks, lease, settings, trans, actions, seen } = props;
  const [view, setView] = useState<IPanelView>(() => look(props));
  const [preferences, setPreferences] = useState(settings.view);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!seen) {
      return;
    }
    const parts = [gpus, kernel, checks, lease, settings] as const;
    const follow = (): void => {
      setView({ gpus: gpus.view, kernel: kernel.view, checks: checks.view, lease: lease.view });
      setPreferences(settings.view);
      setNow(Date.now());
    };
    follow();
    parts.forEach(part => part.changed.connect(follow));
    return () => parts.forEach(part => void part.changed.disconnect(follow));
  }, [gpus, kernel, checks, lease, settings, seen]);
  const isOld = view.gpus.problem !== null || view.gpus.stale;
  const counts = seen && (isOld || view.lease.lease?.managed === true);
  useEffect(() => {
    if (!counts) {
      return;
    }
    const ticking = setInterval(() => {
      if (document.visibilityState !== 'hidden') {
        setNow(Date.now());
      }
    }, COUNTDOWN_MS);
    return () => clearInterval(ticking);
  }, [counts]);
  return (
    <DisplayContext.Provider value={{ trans, preferences }}>
      <Panel view={view} now={now} actions={actions} />
    </DisplayContext.Provider>
  );
}

function look({ gpus, kernel, checks, lease }: IPanelContext): IPanelView {
  return { gpus: gpus.view, kernel: kernel.view, checks: checks.view, lease: lease.view };
}
