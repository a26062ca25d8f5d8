import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  Frame,
  ICheck,
  IEnvironments,
  IHistory,
  ILease,
  IRestart,
  ISnippets,
  IStack
} from './contract';

/** More moments than this say nothing in a line that is a sidebar wide. */
const HISTORY_POINTS = 300;

/** A refusal of the server, with its HTTP status and its sentence for people, if it has one. */
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

/** The server side as the front end sees it. */
export interface IAPI {
  gpus(): Promise<Frame>;
  history(): Promise<IHistory>;
  environments(): Promise<IEnvironments>;
  stack(kernel: string, refresh: boolean): Promise<IStack>;
  snippets(): Promise<ISnippets>;
  checks(): Promise<{ checks: ICheck[] }>;
  startCheck(gpu: string, kernel: string): Promise<ICheck>;
  cancelCheck(id: string): Promise<void>;
  lease(): Promise<ILease>;
  extendLease(): Promise<ILease>;
  releaseLease(): Promise<ILease>;
  restartServer(): Promise<IRestart>;
  openStream(): WebSocket;
}

/** The server side, over HTTP and a WebSocket. */
export class API implements IAPI {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  gpus(): Promise<Frame> {
    return this.ask('GET', 'gpus');
  }

  history(): Promise<IHistory> {
    return this.ask('GET', `history?points=${HISTORY_POINTS}`);
  }

  environments(): Promise<IEnvironments> {
    return this.ask('GET', 'environments');
  }

  stack(kernel: string, refresh: boolean): Promise<IStack> {
    const query = { ...(kernel && { kernel }), ...(refresh && { refresh: '1' }) };
    return this.ask('GET', 'stack' + URLExt.objectToQueryString(query));
  }

  snippets(): Promise<ISnippets> {
    return this.ask('GET', 'snippets');
  }

  checks(): Promise<{ checks: ICheck[] }> {
    return this.ask('GET', 'checks');
  }

  startCheck(gpu: string, kernel: string): Promise<ICheck> {
    return this.ask('POST', 'checks', { gpu, ...(kernel && { kernel }) });
  }

  cancelCheck(id: string): Promise<void> {
    return this.ask('DELETE', `checks/${encodeURIComponent(id)}`);
  }

  lease(): Promise<ILease> {
    return this.ask('GET', 'lease');
  }

  extendLease(): Promise<ILease> {
    return this.ask('POST', 'lease/extend', {});
  }

  releaseLease(): Promise<ILease> {
    return this.ask('POST', 'lease/release', {});
  }

  restartServer(): Promise<IRestart> {
    return this.ask('POST', 'server/restart', {});
  }

  openStream(): WebSocket {
    const { wsUrl, token, appendToken, WebSocket } = this.settings;
    const query = appendToken && token ? URLExt.objectToQueryString({ token }) : '';
    return new WebSocket(URLExt.join(wsUrl, 'gpudock/api/stream') + query);
  }

  private async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'gpudock/api', path);
    const request = body ? { method, body: JSON.stringify(body) } : { method };
    const response = await ServerConnection.makeRequest(url, request, this.settings);
    if (!response.ok) {
      throw await refusal(response);
    }
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}

interface IError {
  code: string;
  message: string;
  parameters: Record<string, string>;
}

async function refusal(response: Response): Promise<APIError> {
  try {
    const { code, message, parameters } = (await response.json()) as Partial<IError>;
    return new APIError(response.status, code, message, parameters);
  } catch {
    return new APIError(response.status);
  }
}
