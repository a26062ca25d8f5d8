import type { TranslationBundle } from '@jupyterlab/translation';

import type { GPUState, ILease } from '../model/contract';
import type { ConnectionProblem } from '../model/tokens';
import { formatAge } from './format';

/** A problem for the user: what it is, why, and what to do about it. */
export interface IStateMessage {
  title: string;
  reason: string;
  advice: string;
  /** What a program reported, verbatim. */
  quote?: string;
  /** Whether to offer a restart of this server. */
  restart?: boolean;
}

/** Return the message for a GPU, or all of them, that cannot be read. */
export function stateMessage(
  state: Exclude<GPUState, 'ok'>,
  detail: string,
  lease: ILease | null,
  trans: TranslationBundle
): IStateMessage {
  const isManaged = lease?.managed === true;
  switch (state) {
    case 'no_gpu':
    case 'no_driver':
      if (isManaged) {
        return lease.lease === null ? notRequested(trans) : notVisible(trans);
      }
      return state === 'no_gpu'
        ? {
            title: trans.__('No GPU on this machine'),
            reason: trans.__('The NVIDIA driver works, but this server sees no GPU.'),
            advice: trans.__(
              'If this is a container, start it with access to a GPU. On your own machine, check whether nvidia-smi lists one.'
            )
          }
        : {
            title: trans.__('No NVIDIA driver'),
            reason: trans.__(
              'This server finds no NVIDIA driver. Either there is no GPU, or the driver is not installed or not loaded.'
            ),
            advice: trans.__(
              'If there is a GPU, install the driver. If this is a container, start it with access to the GPU.'
            )
          };
    case 'version_mismatch':
      return {
        title: trans.__('Driver update is not finished'),
        reason: trans.__(
          'The NVIDIA driver was updated: its library and its kernel module now have different versions.'
        ),
        advice: trans.__(
          'The machine must be restarted. Save your work, then contact the administrator.'
        )
      };
    case 'lost':
      return {
        title: trans.__('GPU lost'),
        reason: trans.__(
          'The GPU no longer responds: this container lost access to it, or the GPU failed. Programs that used it have failed, too.'
        ),
        restart: isManaged,
        advice: isManaged
          ? trans.__(
              'Save your work, then restart this server. If the GPU failed, the server gets another one.'
            )
          : trans.__(
              'Save your work, then restart this server or its container. If that does not help, restart the machine.'
            )
      };
    case 'hanging':
      return {
        title: trans.__('GPU is not responding'),
        reason: trans.__(
          'The NVIDIA driver does not respond to queries about this GPU. Readings of the other GPUs continue.'
        ),
        advice: hangingAdvice(trans)
      };
    case 'interrupted':
      return {
        title: trans.__('GPU readings are interrupted'),
        reason: trans.__(
          'The program that reads the GPUs ended unexpectedly. Kernels and terminals are not affected.'
        ),
        quote: detail,
        advice: trans.__(
          'It is started again by itself. If this persists, show the message to the administrator.'
        )
      };
    case 'failed':
      return {
        title: trans.__('GPU cannot be read'),
        reason: trans.__('The NVIDIA driver reports an error.'),
        quote: detail,
        advice: trans.__(
          'The server keeps trying. If this persists, show the message to the administrator.'
        )
      };
  }
}

function notRequested(trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('No GPU was requested'),
    reason: trans.__('This server was started without a GPU.'),
    advice: trans.__(
      'To get one, stop this server on My GPUs (File → Hub Control Panel), and choose a GPU when you start it again.'
    )
  };
}

function notVisible(trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('Your GPU is not visible'),
    reason: trans.__('A GPU is reserved for this server, but its container does not see it.'),
    restart: true,
    advice: trans.__('Restart this server. If that does not help, contact the administrator.')
  };
}

function hangingAdvice(trans: TranslationBundle): string {
  return trans.__(
    'It may only be busy. If this persists, save your work and contact the administrator.'
  );
}

/** Return the message for a page that gets no readings; `ageMs` is the age of the last one. */
export function problemMessage(
  problem: ConnectionProblem,
  ageMs: number | null,
  trans: TranslationBundle
): IStateMessage {
  switch (problem) {
    case 'forbidden':
      return {
        title: trans.__('Signed out'),
        reason: trans.__('This page is no longer signed in to the server.'),
        advice: trans.__('Reload the page and sign in again.')
      };
    case 'missing':
      return {
        title: trans.__('Server extension is missing'),
        reason: trans.__('The server extension of this panel is not running.'),
        advice: trans.__(
          'Run "jupyter server extension enable jupyterlab_gpudock" where the server runs, then restart the server.'
        )
      };
    case 'unreachable':
      return {
        title: trans.__('Connection lost. Reconnecting…'),
        reason:
          ageMs === null
            ? trans.__('The Jupyter server is not responding.')
            : trans.__(
                'The Jupyter server is not responding. The values shown are %1 old.',
                formatAge(ageMs, trans)
              ),
        advice: trans.__('Wait a moment. If this persists, check whether the server is running.')
      };
  }
}

/** Return the message for a server whose NVML calls do not return. */
export function staleMessage(ageMs: number | null, trans: TranslationBundle): IStateMessage {
  return {
    title: trans.__('GPU is not responding'),
    reason:
      ageMs === null
        ? trans.__('The NVIDIA driver has not responded yet.')
        : trans.__(
            'The NVIDIA driver has not responded for %1. The values shown are that old.',
            formatAge(ageMs, trans)
          ),
    advice: hangingAdvice(trans)
  };
}
