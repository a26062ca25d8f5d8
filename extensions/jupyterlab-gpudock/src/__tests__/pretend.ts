import type { Frame, IAPI, IGPU, IHistory, ILease, ISnapshot, IStack } from '../api';

/** A healthy A100, with changes. */
export function gpu(changes: Partial<IGPU> = {}): IGPU {
  return {
    uuid: 'GPU-1',
    index: '0',
    name: 'NVIDIA A100-SXM4-40GB',
    mig_profile: null,
    state: 'ok',
    detail: '',
    utilization_percent: 42,
    memory_used_mib: 31744,
    memory_total_mib: 40960,
    temperature_c: 64,
    temperature_slowdown_c: 92,
    power_w: 283.4,
    power_limit_w: 400,
    sm_clock_mhz: 1305,
    sm_clock_max_mhz: 1410,
    ...changes
  };
}

/** A snapshot of one healthy GPU, with changes. */
export function snapshot(changes: Partial<ISnapshot> = {}): ISnapshot {
  return {
    type: 'snapshot',
    sequence: 1,
    time: 1000,
    interval_s: 1,
    age_s: 0,
    stale: false,
    state: 'ok',
    detail: '',
    driver: '550.54.15',
    driver_cuda: '12.4',
    gpus: [gpu()],
    ...changes
  };
}

/** A stack with the given verdict. */
export function stack(
  code = 'usable',
  usable = true,
  parameters: Record<string, string> = {}
): IStack {
  return {
    kernel: 'python3',
    kernel_display_name: 'Python 3',
    driver: '550.54.15',
    driver_cuda: '12.4',
    environment: {
      python: '3.13.1',
      torch: '2.6.0+cu124',
      torch_cuda: '12.4',
      cudnn: '9.1.0',
      cuda_available: usable,
      problem: null,
      detail: ''
    },
    verdict: { usable, code, parameters }
  };
}

/** A socket whose server is the test. */
export class HandheldSocket {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  close(): void {
    this.closed = true;
  }

  send(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  breakOff(): void {
    this.onclose?.();
  }
}

/** A server that answers as the test wants, and remembers what it was asked. */
export class HandheldAPI implements IAPI {
  sockets: HandheldSocket[] = [];
  stacksAsked: boolean[] = [];
  kernelsAsked: string[] = [];
  failure: Error | null = null;
  stackAnswer: () => Promise<IStack> = () => Promise.resolve(stack());

  gpus(): Promise<Frame> {
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(snapshot());
  }

  history(): Promise<IHistory> {
    return Promise.resolve({
      times: [900, 950],
      gpus: { 'GPU-1': { utilization_percent: [10, null] } }
    });
  }

  stack(kernel: string, refresh: boolean): Promise<IStack> {
    this.kernelsAsked.push(kernel);
    this.stacksAsked.push(refresh);
    return this.stackAnswer();
  }

  lease(): Promise<ILease> {
    return Promise.resolve({ managed: false, lease: null });
  }

  openStream(): WebSocket {
    const socket = new HandheldSocket();
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  }

  get socket(): HandheldSocket {
    const socket = this.sockets.at(-1);
    if (!socket) {
      throw new Error('no stream was opened');
    }
    return socket;
  }

  get open(): number {
    return this.sockets.filter(socket => !socket.closed).length;
  }
}
