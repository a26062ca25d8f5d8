/** Calls of the REST API. */
import type { Desk } from '../config';
import { syncServerTime } from '../lib/clock';
import { t } from '../strings';
import { language } from '../strings/language';

/** A call failed. The message is shown to the user. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 if there was no response. */
    readonly status: number,
    message: string
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Whether the request was answered, and rejected: repeating it gives the same answer. */
  get isRejection(): boolean {
    return this.status >= 400 && this.status < 500;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface CallOptions {
  /** Sent as JSON, or unchanged if it is a Blob, which is a CSV file in whatever encoding. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Call the API and return the parsed response. Throws {@link ApiError}. */
export async function call<T>(
  desk: Desk,
  method: Method,
  path: string,
  options: CallOptions = {}
): Promise<T> {
  const { response, content } = await send(`${desk.api}/${path}`, method, desk.xsrf, options);
  syncServerTime(response.headers.get('Date'));
  return content as T;
}

/**
 * Call the Hub, as its own pages do, and return the parsed response. Throws {@link ApiError}.
 *
 * @param xsrf - the Hub's token, which calls that change something need
 */
export async function callHub<T>(
  desk: Desk,
  method: Method,
  path: string,
  xsrf: string,
  options: CallOptions = {}
): Promise<T> {
  const { content } = await send(`${desk.hub}${path}`, method, xsrf, options);
  return content as T;
}

async function send(
  address: string,
  method: Method,
  xsrf: string,
  { body, headers, signal }: CallOptions
): Promise<{ readonly response: Response; readonly content: unknown }> {
  const file = body instanceof Blob;
  const init: RequestInit = {
    method,
    headers: {
      Accept: 'application/json',
      // Sentences of the answer are for the reader of this page.
      'Accept-Language': language,
      // The desk requires the token even from pages that only read.
      'X-XSRFToken': xsrf,
      ...(body !== undefined && {
        'Content-Type': file ? 'text/csv' : 'application/json'
      }),
      ...headers
    },
    body: file ? body : body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
    credentials: 'same-origin',
    redirect: 'error'
  };
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, t.errors.unreachable);
  }
  const content = (await response.json().catch(() => null)) as unknown;
  if (response.ok) return { response, content };
  if (response.status === 401) throw new ApiError(401, t.errors.signedOut);
  const message = (content as { message?: unknown } | null)?.message;
  throw new ApiError(response.status, typeof message === 'string' ? message : t.errors.noReason);
}

/** Return the message of an error for the user. */
export function errorMessage(error: unknown): string {
  return error instanceof Error && error.message ? error.message : t.errors.noReason;
}

/** Return the query string of the parameters that are set, with its question mark. */
export function query(parameters: Readonly<Record<string, string | number | null>>): string {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== '');
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}
