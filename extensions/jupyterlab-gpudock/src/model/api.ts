import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  Frame,
  ICheck,
  IChecks,
  IEnvironments,
  IError,
  IHistory,
  IKernelEnds,
  ILease,
  ILimits,
  IRestart,
  ISnippets,
  IStack
} from './contract';

/** More points than this make no difference in a chart that is as wide as a sidebar. */
const HISTORY_POINTS = 300;

/** An error response of the server: its HTTP status and, if there is one, its JSON document. */
export class APIError extends Error {
  constructor(
    readonly status: number,
    readonly code = '',
    message = `The server answered with status ${status}`,
    readonly parameters: Readonly<Record<string, string>> = {}
  ) {
    super(message);
  }
}

/** The REST API and the stream of the server extension. */
export interface IAPI {
  gpus(): Promise<Frame>;
  history(): Promise<IHistory>;
  environments(): Promise<IEnvironments>;
  stack(kernel: string, refresh: boolean): Promise<IStack>;
  snippets(): Promise<ISnippets>;
  checks(): Promise<IChecks>;
  startCheck(gpu: string, kernel: string): Promise<ICheck>;
  cancelCheck(id: string): Promise<void>;
  limits(kernel?: string): Promise<ILimits>;
  ends(): Promise<IKernelEnds>;
  lease(): Promise<ILease>;
  extendLease(): Promise<ILease>;
  releaseLease(): Promise<ILease>;
  restartServer(): Promise<IRestart>;
  openStream(): WebSocket;
}

/** Calls the server extension over HTTP and a WebSocket. */
export class API implements IAPI {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  gpus(): Promise<Frame> {
    return this.request('GET', 'gpus');
  }

  history(): Promise<IHistory> {
    return this.request('GET', `history?points=${HISTORY_POINTS}`);
  }

  environments(): Promise<IEnvironments> {
    return this.request('GET', 'environments');
  }

  stack(kernel: string, refresh: boolean): Promise<IStack> {
    const query = { ...(kernel && { kernel }), ...(refresh && { refresh: '1' }) };
    return this.request('GET', 'stack' + URLExt.objectToQueryString(query));
  }

  snippets(): Promise<ISnippets> {
    return this.request('GET', 'snippets');
  }

  checks(): Promise<IChecks> {
    return this.request('GET', 'checks');
  }

  startCheck(gpu: string, kernel: string): Promise<ICheck> {
    return this.request('POST', 'checks', { gpu, ...(kernel && { kernel }) });
  }

  cancelCheck(id: string): Promise<void> {
    return this.request('DELETE', `checks/${encodeURIComponent(id)}`);
  }

  limits(kernel = ''): Promise<ILimits> {
    return this.request(
      'GET',
      'limits' + URLExt.objectToQueryString({ ...(kernel && { kernel }) })
    );
  }

  ends(): Promise<IKernelEnds> {
    return this.request('GET', 'ends');
  }

  lease(): Promise<ILease> {
    return this.request('GET', 'lease');
  }

  extendLease(): Promise<ILease> {
    return this.request('POST', 'lease/extend', {});
  }

  releaseLease(): Promise<ILease> {
    return this.request('POST', 'lease/release', {});
  }

  restartServer(): Promise<IRestart> {
    return this.request('POST', 'server/restart', {});
  }

  openStream(): WebSocket {
    const { wsUrl, token, appendToken, WebSocket } = this.settings;
    const query = appendToken && token ? URLExt.objectToQueryString({ token }) : '';
    return new WebSocket(URLExt.join(wsUrl, 'gpudock/api/stream') + query);
  }

  private async request<T>(method: string, path: string, body?: object): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'gpudock/api', path);
    const init = body ? { method, body: JSON.stringify(body) } : { method };
    const response = await ServerConnection.makeRequest(url, init, this.settings);
    if (!response.ok) {
      throw await errorFrom(response);
    }
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}

async function errorFrom(response: Response): Promise<APIError> {
  try {
    const { code, message, parameters } = (await response.json()) as Partial<IError>;
    return new APIError(response.status, code, message, parameters);
  } catch {
    return new APIError(response.status);
  }
}
