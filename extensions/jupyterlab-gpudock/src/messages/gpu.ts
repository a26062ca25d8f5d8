import type { TranslationBundle } from '@jupyterlab/translation';

import type { HealthNote, IGPU, ILease, IProcess, ThrottleReason } from '../model/contract';
import { findingText } from './findings';
import { isNumber, type Level } from './format';
import { stateMessage } from './state';

/** A remark on a GPU, with the attention that it deserves. */
export interface IRemark {
  readonly level: Level;
  readonly text: string;
  /** The same in a word or two, for where there is little space. */
  readonly word: string;
}

/** Return the worst that is to be said of a GPU in a word or two; null if all is well. */
export function gpuTrouble(
  gpu: IGPU,
  lease: ILease | null,
  trans: TranslationBundle
): { level: Level; word: string } | null {
  if (gpu.state !== 'ok') {
    const { title } = stateMessage(gpu.state, gpu.detail, lease, trans);
    return { level: gpu.state === 'hanging' ? 'notice' : 'alarm', word: title };
  }
  const [worst] = gpuRemarks(gpu, trans);
  return worst && worst.level !== 'normal' ? worst : null;
}

/** Return how much attention a GPU needs; those with a higher number come first. */
export function gpuWeight(gpu: IGPU, trans: TranslationBundle): number {
  return WEIGHTS[gpuTrouble(gpu, null, trans)?.level ?? 'normal'];
}

const WEIGHTS = { normal: 0, notice: 1, alarm: 2 } as const;

/** Return what slows a GPU down and what is wrong with it, the worst first. */
export function gpuRemarks(gpu: IGPU, trans: TranslationBundle): IRemark[] {
  const reasons = Array.isArray(gpu.throttle) ? gpu.throttle : [];
  const remarks = [
    ...reasons.map(reason => throttleRemark(reason, trans)),
    ...gpu.health.map(note => healthRemark(note, gpu, trans))
  ].filter(remark => remark !== null);
  const distinct = [...new Map(remarks.map(remark => [remark.text, remark])).values()];
  return distinct.sort((one, other) => WEIGHTS[other.level] - WEIGHTS[one.level]);
}

/** Return the remark for a throttle reason, or null if the reason is harmless. */
function throttleRemark(reason: ThrottleReason, trans: TranslationBundle): IRemark | null {
  const word = trans.__('slowed down');
  switch (reason) {
    case 'gpu_idle':
    case 'applications_clocks':
    case 'display_clocks':
      return null;
    case 'sw_power_cap':
      return {
        level: 'normal',
        word,
        text: trans.__('Slowed down to stay within its power limit.')
      };
    case 'sync_boost':
      return {
        level: 'normal',
        word,
        text: trans.__('Slowed down to stay in step with the other GPUs.')
      };
    case 'sw_thermal':
      return {
        level: 'notice',
        word,
        text: trans.__('Slowed down because it is getting too warm.')
      };
    case 'hw_thermal':
      return {
        level: 'alarm',
        word,
        text: trans.__('Slowed down a lot because it is too hot. Check its cooling.')
      };
    case 'hw_power_brake':
      return {
        level: 'alarm',
        word,
        text: trans.__("Slowed down a lot at the request of the machine's power supply.")
      };
    case 'hw_slowdown':
      return {
        level: 'alarm',
        word,
        text: trans.__('Slowed down a lot by the hardware because of heat or power.')
      };
    default:
      return { level: 'notice', word, text: trans.__('Slowed down: %1.', reason) };
  }
}

function healthRemark(note: HealthNote, gpu: IGPU, trans: TranslationBundle): IRemark {
  switch (note) {
    case 'ecc_uncorrected':
      return {
        level: 'alarm',
        word: trans.__('memory errors'),
        text: isNumber(gpu.ecc_uncorrected)
          ? trans._n(
              'Its memory had %1 error that could not be corrected. Results may be wrong. Contact the administrator.',
              'Its memory had %1 errors that could not be corrected. Results may be wrong. Contact the administrator.',
              gpu.ecc_uncorrected
            )
          : trans.__(
              'Its memory had errors that could not be corrected. Results may be wrong. Contact the administrator.'
            )
      };
    case 'remap_pending':
    case 'retirement_pending':
      return {
        level: 'notice',
        word: trans.__('needs a reset'),
        text: trans.__('Bad memory will be replaced when the GPU is reset.')
      };
    case 'remap_failed':
      return {
        level: 'alarm',
        word: trans.__('needs repair'),
        text: trans.__(
          'Bad memory could not be replaced: this GPU needs repair. Contact the administrator.'
        )
      };
    case 'no_slices':
      return {
        level: 'alarm',
        word: trans.__('no MIG slices'),
        text: trans.__(
          'MIG mode is on, but there are no slices, so nothing can use this GPU. An administrator has to create some or turn MIG mode off.'
        )
      };
    default:
      return {
        level: 'notice',
        word: trans.__('memory problem'),
        text: trans.__('Memory problem: %1.', note)
      };
  }
}

/** What a process belongs to. */
export interface IProcessOwner {
  /** Its name, for example that of the notebook. */
  readonly title: string;
  /** What kind of thing it is, or why that is unknown. */
  readonly kind: string;
}

/** Return what a process belongs to. */
export function processOwner(process: IProcess, trans: TranslationBundle): IProcessOwner {
  const { owner, name, pid, certainty } = process;
  const kind = owner ? ownerKind(process, trans) : unknownReason(process, trans);
  const found = certainty === 'probable' ? trans.__('probably: %1', kind) : kind;
  return {
    title:
      owner?.title ||
      owner?.terminal ||
      owner?.kernel_name ||
      (name ?? trans.__('Process %1', pid)),
    kind: process.kind === 'mps' ? trans.__('%1, through MPS', found) : found
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
      return trans.__('does not belong to this Jupyter server');
    case 'hidden':
      return trans.__('probably outside this container');
    case 'ambiguous':
      return trans.__('one of yours, but from inside the container it is unknown which one');
    case 'vanished':
      return trans.__('has just ended');
    default:
      return trans.__('owner unknown');
  }
}

/**
 * Return the name of a GPU: torch's, and the number that it has on the lab's pages, if a hub gave it
 * to this server.
 *
 * @param gpus - all GPUs of this server
 */
export function gpuLabel(
  gpu: IGPU,
  gpus: readonly IGPU[],
  lease: ILease | null,
  trans: TranslationBundle
): string {
  // CUDA uses one slice at a time, and counts no others.
  const isOneOfSlices = gpu.mig_profile !== null && gpus.length > 1;
  const index = gpu.mig_profile === null ? gpu.index : '0';
  const name = isOneOfSlices ? `MIG ${gpu.index}` : `cuda:${index}`;
  const hostIndex = lease?.host_gpus?.[gpu.uuid];
  return hostIndex === undefined ? name : trans.__('%1 · host GPU %2', name, hostIndex);
}

/** Return what it means for the user that a GPU is simulated. */
export function simulatedMessage(trans: TranslationBundle): string {
  return findingText('simulated', {}, trans)?.title ?? '';
}
