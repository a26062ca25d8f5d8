/** Marks a simulated GPU, which has readings and computes nothing. */
import type { GPU } from '../api/types';
import { t } from '../strings';

export function Simulated({ gpu }: { readonly gpu: GPU }) {
  return gpu.simulated && <span className="badge text-bg-secondary">{t.lab.simulated}</span>;
}
