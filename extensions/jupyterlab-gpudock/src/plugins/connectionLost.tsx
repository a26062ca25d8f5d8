import {
  ConnectionLost,
  IConnectionLost,
  JupyterFrontEnd,
  type JupyterFrontEndPlugin,
  JupyterLab
} from '@jupyterlab/application';
import { Dialog, Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { Notice } from '../components/notice';
import { loadTexts } from '../messages/translation';
import { askServer, Outage, type OutageState } from '../model/outage';
import { sessionOf } from '../model/sessions';
import type { Ending } from '../model/ending';
import { IGPUModel, IServerEnding } from '../model/tokens';

const CONNECTED_MS = 4000;

/**
 * It takes the place of JupyterLab's own plugin for JupyterHub (`disabledExtensions` in package.json),
 * which calls a server stopped as soon as one request fails, in a dialog that stays.
 */
export const connectionLost: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'jupyterlab-gpudock:connection-lost',
  description: 'Shows that the server cannot be reached or was stopped, and connects again.',
  autoStart: true,
  provides: IConnectionLost,
  requires: [JupyterFrontEnd.IPaths, IServerEnding],
  optional: [JupyterLab.IInfo, IGPUModel, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    paths: JupyterFrontEnd.IPaths,
    ending: Ending,
    info: JupyterLab.IInfo | null,
    gpus: IGPUModel | null,
    translator: ITranslator | null
  ) => {
    if (!paths.urls.hubPrefix) {
      return ConnectionLost;
    }
    const trans = loadTexts(translator);
    const outage = new Outage(
      () => askServer(app.serviceManager.serverSettings),
      () => ending.isExpected
    );
    const display = new OutageDisplay(spawnPage(paths.urls), deskPage(paths.urls), trans);
    let last: OutageState = 'none';
    outage.changed.connect((_sender, state) => {
      if (last === 'ended') {
        // It has been started again.
        ending.cancel();
      }
      last = state;
      display.show(state);
    });
    outage.ended.connect(() => {
      if (info) {
        info.isConnected = true;
      }
      reconnectKernels(app.shell);
      gpus?.reconnect();
    });
    // Called for each failed request of an outage.
    return () => {
      if (info) {
        // JupyterLab does not save documents by itself meanwhile.
        info.isConnected = false;
      }
      return outage.follow();
    };
  }
};

/** The Hub's page that starts this server. */
function spawnPage({ hubPrefix, hubUser, hubServerName }: JupyterFrontEnd.IPaths['urls']): string {
  return URLExt.join(
    hubPrefix ?? '',
    'spawn',
    encodeURIComponent(hubUser ?? ''),
    encodeURIComponent(hubServerName ?? '')
  );
}

/** The desk's page with the user's sessions. */
function deskPage({ hubPrefix }: JupyterFrontEnd.IPaths['urls']): string {
  return URLExt.join(hubPrefix ?? '', '..', 'services/gpudock/');
}

/** Connect at once: JupyterLab waits for minutes between its last attempts, and then gives up. */
function reconnectKernels(shell: JupyterFrontEnd.IShell): void {
  for (const widget of shell.widgets('main')) {
    const kernel = sessionOf(widget)?.session?.kernel;
    if (kernel && kernel.connectionStatus !== 'connected') {
      void kernel.reconnect().catch(() => undefined);
    }
  }
}

/** What the page shows of an outage. */
class OutageDisplay {
  constructor(
    private readonly spawnPage: string,
    private readonly deskPage: string,
    private readonly trans: TranslationBundle
  ) {}

  show(state: OutageState): void {
    const wasUnreachable = this.notice !== null;
    this.notice?.dispose();
    this.notice = null;
    if (state === 'unreachable') {
      this.notice = showNotice(this.trans);
    } else if (state === 'stopped') {
      this.openStopped();
    } else if (state === 'ended') {
      this.openEnded();
    } else {
      this.dialog?.reject();
      this.dialog = null;
      if (wasUnreachable) {
        Notification.success(this.trans.__('Your server can be reached again.'), {
          autoClose: CONNECTED_MS
        });
      }
    }
  }

  private openStopped(): void {
    const { trans } = this;
    const here = encodeURIComponent(window.location.pathname);
    this.openDialog(
      trans.__('Your server is not running'),
      trans.__(
        'It was stopped, or its session ended. Saved files are kept. Copy what is not saved before you leave this page.'
      ),
      trans.__('Start a server'),
      `${this.spawnPage}?next=${here}`
    );
  }

  private openEnded(): void {
    const { trans } = this;
    this.openDialog(
      trans.__('Session ended'),
      trans.__(
        'The GPU is free again. Your files are kept. Copy what is not saved before you leave this page.'
      ),
      trans.__('My GPUs'),
      this.deskPage
    );
  }

  private openDialog(title: string, body: string, label: string, page: string): void {
    this.dialog?.reject();
    const dialog = new Dialog({
      title,
      body,
      buttons: [
        Dialog.cancelButton({ label: this.trans.__('Stay here') }),
        Dialog.okButton({ label })
      ]
    });
    this.dialog = dialog;
    void dialog.launch().then(({ button }) => {
      if (button.accept) {
        window.location.assign(page);
      }
    });
  }

  private notice: Widget | null = null;
  private dialog: Dialog<unknown> | null = null;
}

/** A notification of JupyterLab's would need code that the page has yet to load from the server. */
function showNotice(trans: TranslationBundle): Widget {
  const message = {
    title: trans.__('Your server cannot be reached'),
    reason: trans.__('Its kernels continue to run.'),
    advice: trans.__('This page connects again by itself.')
  };
  const widget = ReactWidget.create(<Notice message={message} level="notice" />);
  widget.addClass('jp-GPUDock-outage');
  Widget.attach(widget, document.body);
  return widget;
}
