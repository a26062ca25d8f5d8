/** How long a server may take to stop after its user has asked for it. */
const EXPECTED_MS = 3 * 60_000;

/** The channel on which the desk's pages announce that they stop a server. */
const CHANNEL = 'gpudock';

/** What the desk's pages send before they stop a server. */
export interface IEndMessage {
  /** The decoded path of the server that its user stops, for example `/user/ada/`. */
  readonly ends: string;
}

/**
 * Knows whether this server's user has asked for its end. Its silence is then no outage.
 */
export class Ending {
  /** Whether the user has asked for the end of this server, here or on a page of the desk. */
  get isExpected(): boolean {
    return this.now() < this.expectedUntil;
  }

  constructor(private readonly now: () => number = Date.now) {}

  /** Take this server's end as wanted. */
  expect(): void {
    this.expectedUntil = this.now() + EXPECTED_MS;
  }

  /** The server continues, or it runs again. */
  cancel(): void {
    this.expectedUntil = 0;
  }

  /**
   * Expect the end as well when a page of the desk in another tab stops this server.
   *
   * @param path - the path of this server
   */
  follow(path: string): void {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }: MessageEvent<Partial<IEndMessage> | null>) => {
      if (data?.ends === decodeURIComponent(path)) {
        this.expect();
      }
    };
  }

  private expectedUntil = 0;
}
