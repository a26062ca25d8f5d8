import type { Frame } from './contract';

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30000;
const SILENCE_LIMIT_MS = 15000;
/** `WebSocket.OPEN`, which stands-ins for WebSocket need not have. */
const OPEN = 1;

/** What a connection needs from outside, and whom it tells. */
export interface IConnectionOptions {
  open: () => WebSocket;
  onFrame: (frame: Frame) => void;
  /** Called when a connection is made, before its first frame. */
  onOpen: () => void;
  /** Called when the connection breaks or cannot be made, before it is tried again. */
  onLost: () => void;
  /** A number from 0 to 1, to keep many browsers from coming back all at once. */
  random?: () => number;
}

/**
 * A stream of frames that comes back by itself, later and later, until it is stopped.
 */
export class Connection {
  constructor(private readonly options: IConnectionOptions) {
    this.random = options.random ?? Math.random;
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** Whether frames come, or came until a moment ago. */
  get isAlive(): boolean {
    return this.alive;
  }

  /** Whether the server can be told something. */
  get isOpen(): boolean {
    return this.socket?.readyState === OPEN;
  }

  /** Connect, and stay connected. */
  start(): void {
    if (!this.running) {
      this.running = true;
      this.failures = 0;
      this.connect();
    }
  }

  /** Disconnect, and stay so. */
  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.drop();
  }

  /** Tell the server something, if it can be reached right now. */
  send(message: object): void {
    if (this.isOpen) {
      this.socket?.send(JSON.stringify(message));
    }
  }

  /** Begin anew: what came so far does not fit together. */
  renew(): void {
    if (this.running) {
      this.drop();
      this.connect();
    }
  }

  /** Do not wait for the next attempt: make it now. */
  retryNow(): void {
    if (this.running && !this.socket) {
      clearTimeout(this.timer);
      this.connect();
    }
  }

  private connect(): void {
    let socket: WebSocket;
    try {
      socket = this.options.open();
    } catch {
      this.lose();
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.options.onOpen();
    socket.onmessage = event => {
      this.failures = 0;
      const frame = parse(event.data);
      if (frame) {
        this.alive = true;
        this.expectMore(frame);
        this.options.onFrame(frame);
      }
    };
    socket.onclose = () => this.lose();
    this.listen(SILENCE_LIMIT_MS);
  }

  /** The server speaks at least every third interval: a longer silence is a dead connection. */
  private expectMore(frame: Frame): void {
    if (frame.type === 'snapshot') {
      this.silenceMs = Math.max(SILENCE_LIMIT_MS, 4000 * frame.interval_s);
    }
    this.listen(this.silenceMs);
  }

  private listen(silenceMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lose(), silenceMs);
  }

  private lose(): void {
    this.drop();
    clearTimeout(this.timer);
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.failures, MAX_DELAY_MS);
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), delay * (0.75 + 0.25 * this.random()));
    this.options.onLost();
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.alive = false;
    if (socket) {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
  }

  private readonly random: () => number;
  private running = false;
  private alive = false;
  private failures = 0;
  private silenceMs = SILENCE_LIMIT_MS;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
}

function parse(data: unknown): Frame | null {
  try {
    return JSON.parse(String(data)) as Frame;
  } catch {
    return null;
  }
}
