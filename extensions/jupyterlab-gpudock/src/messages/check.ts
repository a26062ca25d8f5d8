import type { TranslationBundle } from '@jupyterlab/translation';

import type { ICheckError } from '../model/checks';
import type { ICheck, ICheckStep } from '../model/contract';
import { simulatedMessage } from './gpu';
import { type IMessage, message } from './message';

/** Return what a step of a check measures. */
export function stepName({ name }: ICheckStep, trans: TranslationBundle): string {
  switch (name) {
    case 'cudnn':
      return trans.__('Convolution with cuDNN');
    case 'fp16':
      return trans.__('Mixed precision, float16');
    case 'bf16':
      return trans.__('Mixed precision, bfloat16');
    case 'tf32':
      return trans.__('TF32');
    case 'bandwidth':
      return trans.__('Copies between host and GPU');
  }
}

/** Return the state or the result of a step. */
export function stepResult(step: ICheckStep, trans: TranslationBundle): IMessage {
  switch (step.state) {
    case 'waiting':
      return message(trans.__('waiting'));
    case 'running':
      return message(trans.__('measuring…'));
    case 'skipped':
    case 'failed':
      return stepError(step, trans);
    case 'done':
      return message(step.ratio === null ? trans.__('done') : ratioText(step, step.ratio, trans));
  }
}

function stepError({ state, code, detail }: ICheckStep, trans: TranslationBundle): IMessage {
  switch (code) {
    case 'no_cudnn':
      return message(trans.__('skipped: this torch has no cuDNN'));
    case 'no_bf16':
      return message(trans.__('skipped: this GPU does not support bfloat16'));
    case 'no_tf32':
      return message(trans.__('skipped: TF32 requires compute capability 8.0 or later'));
    case 'check_ended':
      return message(trans.__('not finished'));
    default:
      return {
        text: state === 'skipped' ? trans.__('skipped') : trans.__('failed'),
        quote: detail
      };
  }
}

function ratioText({ name }: ICheckStep, ratio: number, trans: TranslationBundle): string {
  const times = ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1);
  const isSame = ratio > 0.95 && ratio < 1.05;
  const isSlower = ratio <= 0.95;
  switch (name) {
    case 'cudnn':
      return isSame
        ? trans.__('as fast as without it')
        : isSlower
          ? trans.__('slower than without it (%1 times as fast)', times)
          : trans.__('%1 times as fast as without it', times);
    case 'bandwidth':
      return isSame
        ? trans.__('pinned memory is as fast as pageable')
        : trans.__('pinned memory is %1 times as fast as pageable', times);
    default:
      return isSame
        ? trans.__('as fast as float32')
        : isSlower
          ? trans.__('slower than float32 (%1 times as fast)', times)
          : trans.__('%1 times as fast as float32', times);
  }
}

/** Return what a step measured, with units. */
export function stepFigures(step: ICheckStep, trans: TranslationBundle): string {
  return Object.entries(step.values)
    .map(([key, value]) => {
      const number = value >= 100 ? value.toFixed(0) : value.toPrecision(3);
      const [, name = key, unit] = /^(.*)_(ms|gb_s)$/.exec(key) ?? [];
      const figure =
        unit === 'ms'
          ? trans.__('%1 ms', number)
          : unit === 'gb_s'
            ? trans.__('%1 GB/s', number)
            : number;
      return trans.__('%1: %2', figureName(name, trans), figure);
    })
    .join(', ');
}

function figureName(name: string, trans: TranslationBundle): string {
  switch (name) {
    case 'on':
      return trans.__('with cuDNN');
    case 'off':
      return trans.__('without');
    case 'to_gpu_pinned':
      return trans.__('to the GPU, pinned');
    case 'to_gpu_pageable':
      return trans.__('to the GPU, pageable');
    case 'from_gpu_pinned':
      return trans.__('from the GPU, pinned');
    case 'from_gpu_pageable':
      return trans.__('from the GPU, pageable');
    case 'tf32':
      return 'TF32';
    case 'fp16':
      return 'float16';
    case 'bf16':
      return 'bfloat16';
    default:
      return name;
  }
}

/** Return how a check is going or how it ended; `kernel` is the kernel's display name. */
export function checkMessage(check: ICheck, kernel: string, trans: TranslationBundle): IMessage {
  switch (check.state) {
    case 'running':
      return message(
        trans.__('The check runs in a separate process. It does not affect your kernels.')
      );
    case 'done':
      return message(trans.__('Measured on this GPU with the kernel %1:', kernel));
    case 'cancelled':
      return message(trans.__('The check was cancelled.'));
    case 'refused':
    case 'failed':
      return failureMessage(check.code ?? '', check.parameters, trans);
  }
}

/** Return why a check was not started. */
export function startErrorMessage(
  { code, parameters }: ICheckError,
  trans: TranslationBundle
): IMessage {
  switch (code) {
    case 'check_running':
      return message(trans.__('A check of this GPU is already running.'));
    case 'no_kernel':
      return message(trans.__('This kernel is no longer available. Choose another one.'));
    case 'no_python':
      return message(
        trans.__('The check needs a Python kernel. Choose one under "Software stack".')
      );
    case 'simulated':
      return message(simulatedMessage(trans));
    case 'no_gpu':
    case 'no_driver':
      return message(trans.__('There is no longer a GPU to check.'));
    case 'lost':
    case 'hanging':
    case 'interrupted':
    case 'failed':
    case 'version_mismatch':
      return {
        text: trans.__('The GPU cannot be checked in its current state.'),
        quote: parameters['detail'] ?? ''
      };
    default:
      return failureMessage(code, parameters, trans);
  }
}

function failureMessage(
  code: string,
  parameters: Readonly<Record<string, string>>,
  trans: TranslationBundle
): IMessage {
  const quote = parameters['detail'] ?? '';
  switch (code) {
    case 'timeout':
      return message(
        trans.__(
          'The check took longer than %1 s and was stopped. The GPU may be busy.',
          parameters['limit_s']
        )
      );
    case 'cuda_unavailable':
      return message(
        trans.__('Nothing to measure: torch cannot initialize CUDA in this environment.')
      );
    case 'torch_missing':
      return message(trans.__('Nothing to measure: torch is not installed in this environment.'));
    case 'torch_broken':
      return {
        text: trans.__('Nothing to measure: torch is installed but does not load.'),
        quote
      };
    case 'environment_broken':
      return { text: trans.__("This environment's Python does not start."), quote };
    case 'memory_short':
      return message(
        trans.__(
          'Not enough GPU memory for the check: %1 MiB are free, %2 MiB are needed. Shut down a kernel that uses GPU memory, then run the check again.',
          parameters['free_mib'],
          parameters['needed_mib']
        )
      );
    case 'crashed':
      return { text: trans.__('The check ended unexpectedly.'), quote };
    default:
      return { text: trans.__('The check failed.'), quote };
  }
}
