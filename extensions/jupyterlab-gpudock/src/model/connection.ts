import type { Frame, IRateMessage } from './contract';

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;
const MAX_SILENCE_MS = 15_000;
/** `WebSocket.OPEN`; a replacement for WebSocket may lack the constant. */
const OPEN = 1;

export interface IConnectionOptions {
  open: () => WebSocket;
  onFrame: (frame: Frame) => void;
  /** Called when a connection is open, before its first frame. */
  onOpen: () => void;
  /** Called when the connection breaks or cannot be opened, before the next attempt. */
  onLost: () => void;
  /** Returns a number from 0 to 1, so that many browsers do not reconnect at the same time. */
  random?: () => number;
}

/** A stream of frames that reconnects with increasing delays until it is stopped. */
export class Connection {
  constructor(private readonly options: IConnectionOptions) {
    this.random = options.random ?? Math.random;
  }

  /** Whether the connection was started and not stopped. */
  get isRunning(): boolean {
    return this.running;
  }

  /** Whether the current connection has received a frame. */
  get isAlive(): boolean {
    return this.alive;
  }

  /** Whether messages can be sent. */
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

  /** Disconnect, and stay disconnected. */
  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.disconnect();
  }

  /** Send a message if the connection is open. */
  send(message: IRateMessage): void {
    if (this.isOpen) {
      this.socket?.send(JSON.stringify(message));
    }
  }

  /** Open a new connection in place of the current one. */
  restart(): void {
    if (this.running) {
      this.disconnect();
      this.connect();
    }
  }

  /** Make the next attempt now. */
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
      this.onLost();
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.options.onOpen();
    socket.onmessage = event => {
      this.failures = 0;
      const frame = parse(event.data);
      if (frame) {
        this.onFrame(frame);
      }
    };
    socket.onclose = () => this.onLost();
    this.limitSilence(MAX_SILENCE_MS);
  }

  private onFrame(frame: Frame): void {
    this.alive = true;
    if (frame.type === 'snapshot') {
      // The server sends something at least every third interval.
      this.maxSilenceMs = Math.max(MAX_SILENCE_MS, 4000 * frame.interval_s);
    }
    this.limitSilence(this.maxSilenceMs);
    this.options.onFrame(frame);
  }

  private limitSilence(maxMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onLost(), maxMs);
  }

  private onLost(): void {
    this.disconnect();
    clearTimeout(this.timer);
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.failures, MAX_DELAY_MS);
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), delay * (0.75 + 0.25 * this.random()));
    this.options.onLost();
  }

  private disconnect(): void {
    const { socket } = this;
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
  private maxSilenceMs = MAX_SILENCE_MS;
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
