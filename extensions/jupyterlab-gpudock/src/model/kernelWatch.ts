import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { KernelMessage } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type { IAPI } from './api';
import type { IKernelEnd, ILimits } from './contract';
import { limitOfError, mayBeLimit, type ReachedLimit } from './limitErrors';
import { sessionOf } from './sessions';

/** For how long an error that is repeated is not reported again. */
const QUIET_MS = 60_000;

/** A kernel that ended, or code that failed because of a limit. */
export interface IIncident {
  /** The limit; `signal` and `exit`: the kernel ended without one. */
  readonly cause: IKernelEnd['cause'] | ReachedLimit;
  /** Whether the kernel ended. */
  readonly ended: boolean;
  readonly signal: string | null;
  readonly exitCode: number | null;
  readonly limits: ILimits;
  /** File name of the notebook or console. */
  readonly title: string;
}

type Shell = Pick<JupyterFrontEnd['shell'], 'currentWidget' | 'currentChanged' | 'widgets'>;

/**
 * Notices when the kernel of a notebook or console ends by itself, and when code in it fails because
 * a limit was reached.
 *
 * It follows everything that is open, and whatever becomes active later. It asks the server only
 * when something has happened.
 */
export class KernelWatch {
  constructor(
    private readonly shell: Shell,
    private readonly api: Pick<IAPI, 'ends' | 'limits'>
  ) {
    shell.currentChanged?.connect(() => this.follow(shell.currentWidget));
    this.followAll();
  }

  /** Emitted for each end of a kernel and for each limit. */
  get happened(): ISignal<KernelWatch, IIncident> {
    return this._happened;
  }

  /** Follow everything that is open now. */
  followAll(): void {
    for (const widget of this.shell.widgets('main')) {
      this.follow(widget);
    }
    this.follow(this.shell.currentWidget);
  }

  private follow(widget: Widget | null): void {
    const session = sessionOf(widget);
    if (session && !this.sessions.has(session)) {
      this.sessions.add(session);
      session.statusChanged.connect(this.onStatusChanged);
      session.iopubMessage.connect(this.onMessage);
    }
  }

  private readonly onStatusChanged = (session: ISessionContext, status: string): void => {
    if (status === 'autorestarting' || status === 'dead') {
      void this.explainEnd(session);
    }
  };

  private readonly onMessage = (
    session: ISessionContext,
    message: KernelMessage.IMessage
  ): void => {
    if (message.header.msg_type === 'error') {
      const { ename, evalue } = message.content as KernelMessage.IErrorMsg['content'];
      const error = `${ename}: ${evalue}`;
      if (mayBeLimit(error)) {
        void this.explainError(session, error);
      }
    }
  };

  private async explainEnd(session: ISessionContext): Promise<void> {
    const kernel = session.session?.kernel?.id;
    try {
      const { ends } = await this.api.ends();
      const end = ends.find(({ kernel_id: id }) => id === kernel);
      // A notebook and a console can have the same kernel, and responses can arrive out of order.
      // An exit without an error was asked for.
      if (
        !end ||
        end.exit_code === 0 ||
        (this.explained.get(end.kernel_id) ?? -Infinity) >= end.ended_at
      ) {
        return;
      }
      this.explained.set(end.kernel_id, end.ended_at);
      const { cause, signal, exit_code: exitCode, limits } = end;
      this._happened.emit({ cause, ended: true, signal, exitCode, limits, title: title(session) });
    } catch {
      // JupyterLab itself reports that the kernel ended.
    }
  }

  private async explainError(session: ISessionContext, error: string): Promise<void> {
    const kernel = session.session?.kernel?.id ?? '';
    try {
      const limits = await this.api.limits(kernel);
      const cause = limitOfError(error, limits);
      const key = `${kernel} ${cause}`;
      const now = Date.now();
      if (!cause || now - (this.reported.get(key) ?? -Infinity) < QUIET_MS) {
        return;
      }
      this.reported.set(key, now);
      this._happened.emit({
        ...{ cause, ended: false, signal: null, exitCode: null, limits },
        title: title(session)
      });
    } catch {
      // The error itself is in the notebook.
    }
  }

  private readonly _happened = new Signal<KernelWatch, IIncident>(this);
  private readonly sessions = new WeakSet<ISessionContext>();
  /** By kernel: when its last explained end was. */
  private readonly explained = new Map<string, number>();
  /** By kernel and limit: when it was reported, in milliseconds. */
  private readonly reported = new Map<string, number>();
}

function title(session: ISessionContext): string {
  return (session.session?.path ?? session.path).split('/').pop() ?? '';
}
