import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** Why a number is not there: the GPU never reports it, or it could not be read this time. */
export type Missing = 'not_supported' | 'not_available';

/** A number in the unit that its field names, or the reason why there is none. */
export type Metric = number | Missing;

/** How all GPUs of the server, or a single one, fare. */
export type GPUState = 'ok' | 'no_driver' | 'no_gpu' | 'version_mismatch' | 'lost' | 'failed';

/** One device or MIG slice, as the server sends it. */
export interface IGPU {
  uuid: string;
  index: string;
  name: string;
  mig_profile: string | null;
  state: GPUState;
  detail: string;
  utilization_percent: Metric;
  memory_used_mib: Metric;
  memory_total_mib: Metric;
  temperature_c: Metric;
  temperature_slowdown_c: Metric;
  power_w: Metric;
  power_limit_w: Metric;
  sm_clock_mhz: Metric;
  sm_clock_max_mhz: Metric;
}

/** All GPUs at one moment. */
export interface ISnapshot {
  type: 'snapshot';
  sequence: number;
  /** Seconds since 1970. */
  time: number;
  interval_s: number;
  age_s: number;
  stale: boolean;
  state: GPUState;
  detail: string;
  driver: string | null;
  driver_cuda: string | null;
  gpus: IGPU[];
}

/** What the stream carries: a snapshot, or word that none came lately, or none at all yet. */
export type Frame = ISnapshot | { type: 'stale'; age_s: number } | { type: 'waiting' };

/** Use and memory of the last minutes, in columns; null where a GPU was not read. */
export interface IHistory {
  times: number[];
  gpus: Record<string, { utilization_percent: (number | null)[] }>;
}

/** Where the server's GPUs come from. */
export interface ILease {
  managed: boolean;
  lease: string | null;
}

/** Versions from driver to cuDNN for one kernel, and the verdict. */
export interface IStack {
  kernel: string;
  kernel_display_name: string;
  driver: string | null;
  driver_cuda: string | null;
  environment: {
    python: string | null;
    torch: string | null;
    torch_cuda: string | null;
    cudnn: string | null;
    cuda_available: boolean;
    problem: string | null;
    detail: string;
  };
  verdict: { usable: boolean; code: string; parameters: Record<string, string> };
}

/** A refusal of the server, with its HTTP status. */
export class APIError extends Error {
  constructor(readonly status: number) {
    super(`The server answered with status ${status}`);
  }
}

/** The server side as the front end sees it. */
export interface IAPI {
  gpus(): Promise<Frame>;
  history(): Promise<IHistory>;
  stack(kernel: string, refresh: boolean): Promise<IStack>;
  lease(): Promise<ILease>;
  openStream(): WebSocket;
}

/** The server side, over HTTP and a WebSocket. */
export class API implements IAPI {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  gpus(): Promise<Frame> {
    return this.get<Frame>('gpus');
  }

  history(): Promise<IHistory> {
    return this.get<IHistory>('history');
  }

  stack(kernel: string, refresh: boolean): Promise<IStack> {
    const query = { ...(kernel && { kernel }), ...(refresh && { refresh: '1' }) };
    return this.get<IStack>('stack' + URLExt.objectToQueryString(query));
  }

  lease(): Promise<ILease> {
    return this.get<ILease>('lease');
  }

  openStream(): WebSocket {
    const { wsUrl, token, appendToken, WebSocket } = this.settings;
    const query = appendToken && token ? URLExt.objectToQueryString({ token }) : '';
    return new WebSocket(URLExt.join(wsUrl, 'gpudock/api/stream') + query);
  }

  private async get<T>(path: string): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'gpudock/api', path);
    const response = await ServerConnection.makeRequest(url, {}, this.settings);
    if (!response.ok) {
      throw new APIError(response.status);
    }
    return (await response.json()) as T;
  }
}
