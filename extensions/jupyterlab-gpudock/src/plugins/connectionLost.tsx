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
import { IGPUModel } from '../model/tokens';

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
  requires: [JupyterFrontEnd.IPaths],
  optional: [JupyterLab.IInfo, IGPUModel, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    paths: JupyterFrontEnd.IPaths,
    info: JupyterLab.IInfo | null,
    gpus: IGPUModel | null,
    translator: ITranslator | null
  ) => {
    if (!paths.urls.hubPrefix) {
      return ConnectionLost;
    }
    const trans = loadTexts(translator);
    const outage = new Outage(() => askServer(app.serviceManager.serverSettings));
    const display = new OutageDisplay(spawnPage(paths.urls), trans);
    outage.changed.connect((_sender, state) => display.show(state));
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
    private readonly trans: TranslationBundle
  ) {}

  show(state: OutageState): void {
    const wasUnreachable = this.notice !== null;
    this.notice?.dispose();
    this.notice = null;
    if (state === 'unreachable') {
      this.notice = showNotice(this.trans);
    } else if (state === 'stopped') {
      this.openDialog();
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

  private openDialog(): void {
    const { trans } = this;
    const dialog = new Dialog({
      title: trans.__('Your server is not running'),
      body: trans.__(
        'It was stopped, or its session ended. Saved files are kept. Copy what is not saved before you leave this page.'
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Stay here') }),
        Dialog.okButton({ label: trans.__('Start a server') })
      ]
    });
    this.dialog = dialog;
    void dialog.launch().then(({ button }) => {
      if (button.accept) {
        const here = encodeURIComponent(window.location.pathname);
        window.location.assign(`${this.spawnPage}?next=${here}`);
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
