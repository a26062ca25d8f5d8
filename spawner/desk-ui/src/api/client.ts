/** Calls of the REST API: errors become sentences, and every call carries the XSRF token. */
import type { Desk } from '../config';
import { learnServerTime } from '../lib/clock';
import { t } from '../strings';

/** The API refused, or could not be asked. The message is for the person at the page. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** The API's short name of the error. */
    readonly code: string,
    message: string
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is, instead of *body*. */
  readonly raw?: { readonly type: string; readonly content: Blob };
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer<T> {
  readonly data: T;
  readonly etag: string | null;
}

/** Call the API and return what it answers. Raises {@link ApiError}. */
export async function call<T>(
  desk: Desk,
  method: Method,
  path: string,
  options: CallOptions = {}
): Promise<Answer<T>> {
  // The desk knows a page of its own by the token, also when it only reads.
  const headers: Record<string, string> = {
    Accept: 'application/json',
    'X-XSRFToken': desk.xsrf,
    ...options.headers
  };
  const init: RequestInit = { method, headers, credentials: 'same-origin', redirect: 'error' };
  if (options.raw) {
    headers['Content-Type'] = options.raw.type;
    init.body = options.raw.content;
  } else if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(`${desk.api}/${path}`, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', t.errors.unreachable);
  }
  learnServerTime(response.headers.get('Date'));
  if (!response.ok) throw await readError(response);
  const empty = response.status === 204 || response.headers.get('Content-Length') === '0';
  const data = empty ? null : ((await response.json().catch(() => null)) as unknown);
  return { data: data as T, etag: response.headers.get('ETag') };
}

async function readError(response: Response): Promise<ApiError> {
  const said = (await response.json().catch(() => null)) as {
    error?: unknown;
    message?: unknown;
  } | null;
  const code = typeof said?.error === 'string' ? said.error : 'unknown';
  if (response.status === 401) return new ApiError(401, code, t.errors.signedOut);
  const message = typeof said?.message === 'string' ? said.message : t.errors.noReason;
  return new ApiError(response.status, code, message);
}

/** The sentence for a person that says what went wrong. */
export function sentence(error: unknown): string {
  return error instanceof Error && error.message ? error.message : t.errors.noReason;
}

/** A query string of the parameters that are set, with its question mark. */
export function query(parameters: Readonly<Record<string, string | number | null>>): string {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== '');
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}
