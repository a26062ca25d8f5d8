import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

/** A restart of the lab's proxy takes less time; nobody has to read about it. */
const BRIEF_MS = 3000;
/** A proxy that has just started does not know the running servers, and the Hub answers instead. */
const CONFIRMED_MS = 6000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5000;
const MAX_ANSWER_MS = 10_000;

const DEPENDENCY_FAILED = 424;

/** Who answers at the server's address: the server, the Hub because no server runs, or nobody. */
export type Answer = 'server' | 'hub' | 'nobody';

/** What the user has to know about an outage of the server. */
export type OutageState = 'none' | 'unreachable' | 'stopped' | 'ended';

/** Ask the server for its status, which does not count as use of it. */
export async function askServer(settings: ServerConnection.ISettings): Promise<Answer> {
  try {
    const response = await ServerConnection.makeRequest(
      URLExt.join(settings.baseUrl, 'api/status'),
      { signal: AbortSignal.timeout(MAX_ANSWER_MS) },
      settings
    );
    // The proxy sends what has no server to the Hub, which redirects to its own pages.
    if (response.status === DEPENDENCY_FAILED || response.redirected) {
      return 'hub';
    }
    return response.status >= 500 ? 'nobody' : 'server';
  } catch {
    return 'nobody';
  }
}

/** Follows an outage of the server from the first failed request until the server answers again. */
export class Outage {
  /**
   * @param ask - who answers now
   * @param isEndExpected - whether the user has asked for the end of the server
   */
  constructor(
    private readonly ask: () => Promise<Answer>,
    private readonly isEndExpected: () => boolean = () => false
  ) {}

  get state(): OutageState {
    return this._state;
  }

  get changed(): ISignal<Outage, OutageState> {
    return this._changed;
  }

  /** Emitted once for each outage, when the server answers, however short it was. */
  get ended(): ISignal<Outage, void> {
    return this._ended;
  }

  /** Take a request as failed. Resolves when the server answers. */
  follow(): Promise<void> {
    this.following ??= this.waitForServer().finally(() => {
      this.following = null;
    });
    return this.following;
  }

  private async waitForServer(): Promise<void> {
    const begin = Date.now();
    let hubSince: number | null = null;
    let pause = FIRST_PAUSE_MS;
    for (;;) {
      const answer = await this.ask();
      if (answer === 'server') {
        this.setState('none');
        this._ended.emit();
        return;
      }
      const now = Date.now();
      hubSince = answer === 'hub' ? (hubSince ?? now) : null;
      if (this._state === 'ended' || (hubSince !== null && this.isEndExpected())) {
        // It stays so, however long the user leaves this page open.
        this.setState('ended');
      } else if (hubSince !== null && now - hubSince >= CONFIRMED_MS) {
        this.setState('stopped');
      } else if (now - begin >= BRIEF_MS && this._state === 'none' && !this.isEndExpected()) {
        this.setState('unreachable');
      }
      await new Promise(resolve => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.5, MAX_PAUSE_MS);
    }
  }

  private setState(state: OutageState): void {
    if (state !== this._state) {
      this._state = state;
      this._changed.emit(state);
    }
  }

  private readonly _changed = new Signal<Outage, OutageState>(this);
  private readonly _ended = new Signal<Outage, void>(this);
  private _state: OutageState = 'none';
  private following: Promise<void> | null = null;
}
