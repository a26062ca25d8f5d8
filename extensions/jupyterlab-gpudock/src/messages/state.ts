import type { TranslationBundle } from '@jupyterlab/translation';

import type { GPUState, ILease } from '../model/contract';
import { formatAge } from './format';
import type { ConnectionProblem } from '../model/tokens';

/** A state in words for the person who reads it: what is, why, and what to do. */
export interface IStateMessage {
  title: string;
  why: string;
  advice: string;
  /** What a program said of it, as it said it. */
  quote?: string;
  /** A restart of this server is what to do, and gpudock can do it. */
  restart?: boolean;
}

/** The words for GPUs that cannot be read, or for a single one. */
export function stateMessage(
  state: Exclude<GPUState, 'ok'>,
  detail: string,
  lease: ILease | null,
  trans: TranslationBundle
): IStateMessage {
  switch (state) {
    case 'no_gpu':
    case 'no_driver':
      if (lease?.managed) {
        return lease.lease === null ? notRequested(trans) : notHandedOver(trans);
      }
      return state === 'no_gpu'
        ? {
            title: trans.__('No GPU on this machine'),
            why: trans.__('The NVIDIA driver answers, but shows no GPU to this server.'),
            advice: trans.__(
              'In a container, start it with access to a GPU. On your own machine, see whether nvidia-smi lists one.'
            )
          }
        : {
            title: trans.__('No NVIDIA driver'),
            why: trans.__(
              'This server finds no NVIDIA driver, so either there is no GPU or the driver is not installed or loaded.'
            ),
            advice: trans.__(
              'If there is a GPU, install the driver; in a container, start it with access to the GPU.'
            )
          };
    case 'version_mismatch':
      return {
        title: trans.__('Driver update is not finished'),
        why: trans.__(
          'The NVIDIA driver was updated, and its library and its kernel module are of different versions now.'
        ),
        advice: trans.__(
          'The machine must be restarted. Ask its administrator; save your work before.'
        )
      };
    case 'lost':
      return {
        title: trans.__('GPU lost'),
        why: trans.__(
          'The GPU was there and answers no more: this container lost its access to it, or the GPU failed. Programs that used it have failed, too.'
        ),
        restart: lease?.managed === true,
        advice: lease?.managed
          ? trans.__(
              'Save your work, then restart this server. If the GPU failed, the server gets another one.'
            )
          : trans.__(
              'Save your work, then restart this server or its container. If that does not help, the machine needs a restart.'
            )
      };
    case 'hanging':
      return {
        title: trans.__('GPU does not answer'),
        why: trans.__(
          'The NVIDIA driver does not return from a question about this GPU. The other GPUs are read on without it.'
        ),
        advice: trans.__(
          'It is often only busy. If this stays, save your work and tell the administrator.'
        )
      };
    case 'failed':
      return {
        title: trans.__('GPU cannot be read'),
        why: trans.__('The NVIDIA driver answers with an error.'),
        quote: detail,
        advice: trans.__(
          'It is tried again by itself. If this stays, show the message to the administrator.'
        )
      };
  }
}

function notRequested(trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('No GPU was requested'),
    why: trans.__('This server was started without a GPU.'),
    advice: trans.__(
      'To get one, stop this server in File → Hub Control Panel, and choose a GPU when you start it again.'
    )
  };
}

function notHandedOver(trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('Your GPU is not visible'),
    why: trans.__('A GPU is reserved for this server, but its container does not see it.'),
    restart: true,
    advice: trans.__('Restart this server. If that does not help, tell the administrator.')
  };
}

/** The words for a page that gets no readings. */
export function problemMessage(
  problem: ConnectionProblem,
  ageMs: number | null,
  trans: TranslationBundle
): IStateMessage {
  switch (problem) {
    case 'forbidden':
      return {
        title: trans.__('Signed out'),
        why: trans.__('The server does not accept this page’s sign-in any more.'),
        advice: trans.__('Reload the page and sign in again.')
      };
    case 'missing':
      return {
        title: trans.__('Server part is missing'),
        why: trans.__('This panel’s server extension is not running in your Jupyter server.'),
        advice: trans.__(
          'Run “jupyter server extension enable jupyterlab_gpudock” where the server runs, and restart it.'
        )
      };
    case 'unreachable':
      return {
        title: trans.__('Connection lost – reconnecting'),
        why:
          ageMs === null
            ? trans.__('The Jupyter server does not answer.')
            : trans.__(
                'The Jupyter server does not answer. What you see is %1 old.',
                formatAge(ageMs, trans)
              ),
        advice: trans.__('Wait a moment. If this stays, see whether the server still runs.')
      };
  }
}

/** The words for a server that itself waits for NVML. */
export function staleMessage(ageMs: number | null, trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('GPU does not answer'),
    why:
      ageMs === null
        ? trans.__('The NVIDIA driver has not answered yet.')
        : trans.__(
            'The NVIDIA driver has not answered for %1. What you see is that old.',
            formatAge(ageMs, trans)
          ),
    advice: trans.__(
      'It is often only busy. If this stays, save your work and tell the administrator.'
    )
  };
}
