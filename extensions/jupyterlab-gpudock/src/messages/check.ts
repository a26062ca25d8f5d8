import type { TranslationBundle } from '@jupyterlab/translation';

import type { ICheckError } from '../model/checks';
import type { ICheck, ICheckStep } from '../model/contract';

/** What a step of a check measures. */
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
      return trans.__('Copies from host to GPU');
  }
}

/** Words of ours, and after them those of torch, Python or the driver, which stay as they are. */
export interface IMessage {
  readonly text: string;
  readonly quote: string;
}

function ours(text: string): IMessage {
  return { text, quote: '' };
}

/** What a step of a check found, as a ratio in words. */
export function stepResult(step: ICheckStep, trans: TranslationBundle): IMessage {
  switch (step.state) {
    case 'waiting':
      return ours(trans.__('waits'));
    case 'running':
      return ours(trans.__('is being measured…'));
    case 'skipped':
    case 'failed':
      return whyNot(step, trans);
    case 'done':
      return ours(step.ratio === null ? trans.__('done') : ratioInWords(step, step.ratio, trans));
  }
}

function whyNot({ state, code, detail }: ICheckStep, trans: TranslationBundle): IMessage {
  switch (code) {
    case 'no_cudnn':
      return ours(trans.__('left out: this torch has no cuDNN'));
    case 'no_bf16':
      return ours(trans.__('left out: this GPU does not compute in bfloat16'));
    case 'no_tf32':
      return ours(trans.__('left out: TF32 needs compute capability 8.0 or later'));
    case 'check_ended':
      return ours(trans.__('was not finished'));
    default:
      return {
        text: state === 'skipped' ? trans.__('left out') : trans.__('failed'),
        quote: detail
      };
  }
}

function ratioInWords(step: ICheckStep, ratio: number, trans: TranslationBundle): string {
  const times = ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1);
  const isSame = ratio > 0.95 && ratio < 1.05;
  const isSlower = ratio <= 0.95;
  switch (step.name) {
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

/** The figures behind a ratio, with their units. */
export function stepFigures(step: ICheckStep, trans: TranslationBundle): string {
  return Object.entries(step.values)
    .map(([key, value]) => {
      const shown = value >= 100 ? value.toFixed(0) : value.toPrecision(3);
      const [, name = key, unit] = /^(.*)_(ms|gb_s)$/.exec(key) ?? [];
      const figure =
        unit === 'ms'
          ? trans.__('%1 ms', shown)
          : unit === 'gb_s'
            ? trans.__('%1 GB/s', shown)
            : shown;
      return trans.__('%1: %2', nameOfFigure(name, trans), figure);
    })
    .join(', ');
}

function nameOfFigure(name: string, trans: TranslationBundle): string {
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

/** How a check stands or ended, in a sentence that may name the kernel. */
export function checkMessage(check: ICheck, kernel: string, trans: TranslationBundle): IMessage {
  switch (check.state) {
    case 'running':
      return ours(
        trans.__('The check runs in a process of its own. Your kernels are not touched.')
      );
    case 'done':
      return ours(trans.__('Measured on this GPU with the kernel %1:', kernel));
    case 'cancelled':
      return ours(trans.__('The check was cancelled.'));
    case 'refused':
    case 'failed':
      return endMessage(check.code ?? '', check.parameters, trans);
  }
}

/** Why a check did not begin. */
export function startErrorMessage(
  { code, parameters }: ICheckError,
  trans: TranslationBundle
): IMessage {
  switch (code) {
    case 'check_running':
      return ours(trans.__('A check of this GPU runs already.'));
    case 'no_kernel':
      return ours(trans.__('This server has no such kernel any more. Choose another one.'));
    case 'no_python':
      return ours(trans.__('The check needs a Python kernel. Choose one under “Software stack”.'));
    case 'no_gpu':
    case 'no_driver':
      return ours(trans.__('There is no GPU to check any more.'));
    case 'lost':
    case 'hanging':
    case 'failed':
    case 'version_mismatch':
      return {
        text: trans.__('The GPU cannot be checked as it is now.'),
        quote: parameters['detail'] ?? ''
      };
    default:
      return endMessage(code, parameters, trans);
  }
}

function endMessage(
  code: string,
  parameters: Readonly<Record<string, string>>,
  trans: TranslationBundle
): IMessage {
  const quote = parameters['detail'] ?? '';
  switch (code) {
    case 'timeout':
      return ours(
        trans.__(
          'The check took longer than %1 s and was ended. The GPU may be busy.',
          parameters['limit_s']
        )
      );
    case 'cuda_unavailable':
      return ours(
        trans.__('There is nothing to measure: torch cannot open CUDA in this environment.')
      );
    case 'torch_missing':
      return ours(trans.__('There is nothing to measure with: this environment has no torch.'));
    case 'torch_broken':
      return {
        text: trans.__('There is nothing to measure with: torch is installed but does not load.'),
        quote
      };
    case 'environment_broken':
      return { text: trans.__('The Python of this environment does not start.'), quote };
    case 'memory_short':
      return ours(
        trans.__(
          'Too little memory of this GPU is free for the check: %1 MiB, and it needs %2 MiB. Shut down a kernel that holds memory, and run it again.',
          parameters['free_mib'],
          parameters['needed_mib']
        )
      );
    case 'crashed':
      return { text: trans.__('The process of the check ended unexpectedly.'), quote };
    default:
      return { text: trans.__('The check failed.'), quote };
  }
}
