import type { TranslationBundle } from '@jupyterlab/translation';

import type { IGPU, IProcess } from '../model/contract';
import { isNumber, type Level } from './format';

/** A remark in words, with the attention that it deserves. */
export interface IRemark {
  readonly level: Level;
  readonly text: string;
}

/** What holds the clocks of a GPU back, in words; what is no problem is left out. */
export function throttleRemarks(gpu: IGPU, trans: TranslationBundle): IRemark[] {
  if (!Array.isArray(gpu.throttle)) {
    return [];
  }
  return gpu.throttle.flatMap((reason): IRemark[] => {
    switch (reason) {
      case 'gpu_idle':
      case 'applications_clocks':
      case 'display_clocks':
        return [];
      case 'sw_power_cap':
        return [{ level: 'normal', text: trans.__('Slowed down to stay within its power limit.') }];
      case 'sync_boost':
        return [
          { level: 'normal', text: trans.__('Slowed down to keep step with the other GPUs.') }
        ];
      case 'sw_thermal':
        return [{ level: 'notice', text: trans.__('Slowed down because it gets too warm.') }];
      case 'hw_thermal':
        return [
          {
            level: 'alarm',
            text: trans.__('Slowed down a lot because it is too hot. Its cooling needs a look.')
          }
        ];
      case 'hw_power_brake':
        return [
          {
            level: 'alarm',
            text: trans.__('Slowed down a lot because the machine’s power supply demands it.')
          }
        ];
      case 'hw_slowdown':
        return [
          { level: 'alarm', text: trans.__('Slowed down a lot by the hardware: heat or power.') }
        ];
      default:
        return [{ level: 'notice', text: trans.__('Slowed down: %1.', reason) }];
    }
  });
}

/** What is wrong with the memory of a GPU, in words. */
export function healthRemarks(gpu: IGPU, trans: TranslationBundle): IRemark[] {
  return gpu.health.map((note): IRemark => {
    switch (note) {
      case 'ecc_uncorrected':
        return {
          level: 'alarm',
          text: isNumber(gpu.ecc_uncorrected)
            ? trans._n(
                'Its memory had %1 error that could not be corrected: results may be wrong. Tell the administrator.',
                'Its memory had %1 errors that could not be corrected: results may be wrong. Tell the administrator.',
                gpu.ecc_uncorrected
              )
            : trans.__(
                'Its memory had errors that could not be corrected: results may be wrong. Tell the administrator.'
              )
        };
      case 'remap_pending':
      case 'retirement_pending':
        return {
          level: 'notice',
          text: trans.__('Bad memory will be replaced when the GPU is reset.')
        };
      case 'remap_failed':
        return {
          level: 'alarm',
          text: trans.__(
            'Bad memory could not be replaced: this GPU needs repair. Tell the administrator.'
          )
        };
      default:
        return { level: 'notice', text: trans.__('Trouble with its memory: %1.', note) };
    }
  });
}

/** Whose a process is, in words. */
export interface IProcessOwner {
  /** What it is, for example the notebook's name. */
  readonly title: string;
  /** What kind of thing that is, or why it cannot be told. */
  readonly about: string;
}

/** Whose a process is; where that cannot be told, why. */
export function processOwner(process: IProcess, trans: TranslationBundle): IProcessOwner {
  const found = ownerOf(process, trans);
  return process.kind === 'mps'
    ? { ...found, about: trans.__('%1, through MPS', found.about) }
    : found;
}

function ownerOf(process: IProcess, trans: TranslationBundle): IProcessOwner {
  const { owner } = process;
  const named = process.name ?? trans.__('Process %1', process.pid);
  if (!owner) {
    return { title: named, about: unknownReason(process, trans) };
  }
  const kind = ownerKind(process, trans);
  const title = owner.title || owner.terminal || owner.kernel_name || named;
  return {
    title,
    about: process.certainty === 'probable' ? trans.__('probably: %1', kind) : kind
  };
}

function ownerKind({ owner }: IProcess, trans: TranslationBundle): string {
  if (owner?.kind === 'terminal') {
    return trans.__('terminal');
  }
  if (owner?.kind !== 'kernel') {
    return trans.__('started by this Jupyter server');
  }
  switch (owner.session_type) {
    case 'notebook':
      return trans.__('notebook');
    case 'console':
      return trans.__('console');
    default:
      return trans.__('kernel');
  }
}

function unknownReason({ reason }: IProcess, trans: TranslationBundle): string {
  switch (reason) {
    case 'foreign':
      return trans.__('not of this Jupyter server');
    case 'hidden':
      return trans.__('outside of this container, as far as can be told');
    case 'ambiguous':
      return trans.__('one of yours: which one cannot be told from inside the container');
    case 'vanished':
      return trans.__('has just ended');
    default:
      return trans.__('whose it is cannot be told');
  }
}
