import type { IActions } from '../components/actions';
import type { IAPI } from '../model/api';
import type {
  Frame,
  ICheck,
  IEnvironments,
  IHistory,
  IKernelEnd,
  IKernelEnds,
  ILease,
  ILimits,
  IRestart,
  ISnippets,
  IStack
} from '../model/contract';
import type { PageVisibility } from '../model/gpus';
import { check, environment, lease, limits, snapshot, stack } from './samples';

/** A page that tests hide and show. */
export class FakePage implements PageVisibility {
  visibilityState: DocumentVisibilityState = 'visible';
  private listener: (() => void) | null = null;

  addEventListener(_type: string, listener: unknown): void {
    this.listener = listener as () => void;
  }

  removeEventListener(): void {
    this.listener = null;
  }

  setVisibility(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    this.listener?.();
  }
}

/** A WebSocket whose server is the test. */
export class FakeSocket {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  readonly sent: unknown[] = [];

  close(): void {
    this.closed = true;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  /** Called by the test, as are the methods below. */
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  receive(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  breakConnection(): void {
    this.onclose?.();
  }
}

/** A server with the responses that a test sets. It records the requests. */
export class FakeAPI implements IAPI {
  sockets: FakeSocket[] = [];
  stackRefreshes: boolean[] = [];
  stackKernels: string[] = [];
  leaseRequests = 0;
  cancelled: string[] = [];
  pastChecks: ICheck[] = [];
  pastEnds: IKernelEnd[] = [];
  endsResponse: () => Promise<IKernelEnds> = () => Promise.resolve({ ends: this.pastEnds });
  startResponse: (gpu: string, kernel: string) => ICheck = (gpu, kernel) =>
    check({ gpu, kernel, state: 'running', progress: 0, started_at: 200 });
  historyResponse: () => Promise<IHistory> = () =>
    Promise.resolve({
      times: [900, 950],
      gpus: {
        'GPU-1': {
          utilization_percent: [10, null],
          memory_used_mib: [null, null],
          temperature_c: [null, null],
          power_w: [null, null]
        }
      }
    });
  gpusResponse: () => Promise<Frame> = () => Promise.resolve(snapshot());
  environmentsResponse: () => Promise<IEnvironments> = () =>
    Promise.resolve({ default: 'python3', environments: [environment()] });
  limitsResponse: () => ILimits | Promise<ILimits> = () => limits();
  limitsOf: string[] = [];
  leaseResponse: () => ILease | Promise<ILease> = () => lease();
  failure: Error | null = null;
  stackResponse: () => Promise<IStack> = () => Promise.resolve(stack());

  gpus(): Promise<Frame> {
    return this.failure ? Promise.reject(this.failure) : this.gpusResponse();
  }

  history(): Promise<IHistory> {
    return this.historyResponse();
  }

  environments(): Promise<IEnvironments> {
    return this.environmentsResponse();
  }

  stack(kernel: string, refresh: boolean): Promise<IStack> {
    this.stackKernels.push(kernel);
    this.stackRefreshes.push(refresh);
    return this.stackResponse();
  }

  snippets(): Promise<ISnippets> {
    return Promise.resolve({ state: 'STATE', release: 'RELEASE' });
  }

  checks(): Promise<{ checks: ICheck[] }> {
    return Promise.resolve({ checks: this.pastChecks });
  }

  startCheck(gpu: string, kernel: string): Promise<ICheck> {
    return this.failure
      ? Promise.reject(this.failure)
      : Promise.resolve(this.startResponse(gpu, kernel));
  }

  cancelCheck(id: string): Promise<void> {
    this.cancelled.push(id);
    return Promise.resolve();
  }

  limits(kernel = ''): Promise<ILimits> {
    this.limitsOf.push(kernel);
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.limitsResponse());
  }

  ends(): Promise<IKernelEnds> {
    return this.failure ? Promise.reject(this.failure) : this.endsResponse();
  }

  lease(): Promise<ILease> {
    this.leaseRequests += 1;
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.leaseResponse());
  }

  extendLease(): Promise<ILease> {
    return this.lease();
  }

  releaseLease(): Promise<ILease> {
    return this.lease();
  }

  restartServer(): Promise<IRestart> {
    return this.failure
      ? Promise.reject(this.failure)
      : Promise.resolve({
          restarting: true,
          code: null,
          hub_home: '/hub/spawn/ada?opt-again=1',
          message: 'It restarts.'
        });
  }

  openStream(): WebSocket {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) {
      throw new Error('There is no stream.');
    }
    return socket;
  }

  get openStreams(): number {
    return this.sockets.filter(socket => !socket.closed).length;
  }
}

/** Actions that do nothing, with changes. */
export function actions(changes: Partial<IActions> = {}): IActions {
  const nothing = (): void => undefined;
  return {
    canOpen: () => true,
    open: nothing,
    shutDown: nothing,
    selectAndShutDown: () => Promise.resolve(),
    refreshKernel: nothing,
    releaseMemory: nothing,
    selectKernel: nothing,
    refreshStack: nothing,
    reconnect: nothing,
    runCheck: nothing,
    cancelCheck: nothing,
    extendLease: nothing,
    releaseLease: nothing,
    restartServer: nothing,
    ...changes
  };
}

/** A response that a test gives later. */
export class Later<T> {
  respond: (value: T) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly response = new Promise<T>((resolve, reject) => {
    this.respond = resolve;
    this.fail = reject;
  });
}
