import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFinding } from '../model/contract';
import { findingText } from './findings';
import type { IMessage } from './message';

/** Findings that come with the output of a program. */
const WITH_OUTPUT = [
  ...['interrupted', 'failed', 'python_broken', 'torch_broken', 'torch_crashed'],
  ...['cuda_unavailable', 'compute_failed', 'uvm_missing', 'mig_without_slices']
];

/** Return the message for a finding; one that only a newer server knows is quoted. */
export function findingMessage(
  { code, id = code, parameters, message }: IFinding,
  trans: TranslationBundle
): IMessage {
  const known = findingText(id, parameters, trans) ?? findingText(code, parameters, trans);
  if (known === null) {
    return { text: trans.__('Unknown.'), quote: message };
  }
  const { title, advice } = known;
  const text = advice ? trans.__('%1 %2', title, advice) : title;
  return { text, quote: WITH_OUTPUT.includes(id) ? (parameters['detail'] ?? '') : '' };
}
