import type { TranslationBundle } from '@jupyterlab/translation';

import type { IRefusal } from './checks';
import type { ICheck, ICheckStep } from './contract';
import { sentence } from './words';

/** What a step of a check measures. */
export function nameOfStep({ name }: ICheckStep, trans: TranslationBundle): string {
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

/** What a step of a check found, as a ratio in words. */
export function wordsForStep(step: ICheckStep, trans: TranslationBundle): string {
  switch (step.state) {
    case 'waiting':
      return trans.__('waits');
    case 'running':
      return trans.__('is being measured…');
    case 'skipped':
      return trans.__('skipped. %1', step.detail && sentence(step.detail));
    case 'failed':
      return trans.__('failed. %1', step.detail && sentence(step.detail));
    case 'done':
      return step.ratio === null ? trans.__('done') : ratioInWords(step, step.ratio, trans);
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
export function figuresOfStep(step: ICheckStep, trans: TranslationBundle): string {
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
      return `${name.replaceAll('_', ' ')}: ${figure}`;
    })
    .join(', ');
}

/** How a check stands or ended, in a sentence. */
export function wordsForCheck(check: ICheck, trans: TranslationBundle): string {
  switch (check.state) {
    case 'running':
      return trans.__('The check runs in a process of its own. Your kernels are not touched.');
    case 'done':
      return trans.__('Measured on this GPU with the kernel %1:', check.kernel);
    case 'cancelled':
      return trans.__('The check was cancelled.');
    case 'refused':
    case 'failed':
      return wordsForEnd(check, trans);
  }
}

/** Why a check did not begin; `message` is the server's sentence, in English. */
export function wordsForRefusal(refusal: IRefusal, trans: TranslationBundle): string {
  switch (refusal.code) {
    case 'memory_short':
      return trans.__('Too little memory of this GPU is free for the check. %1', refusal.message);
    case 'check_running':
      return trans.__('A check of this GPU runs already.');
    default:
      return refusal.message;
  }
}

function wordsForEnd({ code, message }: ICheck, trans: TranslationBundle): string {
  switch (code) {
    case 'timeout':
      return trans.__('The check took too long and was ended.');
    case 'cuda_unavailable':
      return trans.__('There is nothing to measure: torch cannot open CUDA in this environment.');
    case 'torch_missing':
      return trans.__('There is nothing to measure with: this environment has no torch.');
    case 'environment_broken':
      return trans.__('The Python of this environment does not start.');
    case 'memory_short':
      return trans.__('Too little memory of this GPU is free for the check. %1', message);
    case 'crashed':
      return trans.__('The process of the check ended unexpectedly. %1', message);
    default:
      return message || trans.__('The check failed.');
  }
}
