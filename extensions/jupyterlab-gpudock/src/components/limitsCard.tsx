import type { ReactElement } from 'react';

import { plain } from '../messages/format';
import {
  formatCount,
  formatCounts,
  formatKills,
  formatThreads,
  formatUsage,
  hasLimits
} from '../messages/limits';
import type { ILimitsView } from '../model/limits';
import { useDisplay } from './display';
import { Card } from './elements';
import { Value } from './metric';

/** What this server may use of its host, apart from GPUs, and what it uses. */
export function LimitsCard({ view }: { view: ILimitsView }): ReactElement | null {
  const { limits } = view;
  const display = useDisplay();
  const { trans } = display;
  if (!limits || !hasLimits(limits)) {
    return null;
  }
  const { cpus, threads, memory_kills: kills } = limits;
  return (
    <Card title={trans.__('Limits of this server')}>
      <Value label={trans.__('Main memory')} value={formatUsage(limits.memory_mib, display)} />
      {kills !== null && kills > 0 && (
        <Value label={trans.__('Ended by lack of memory')} value={formatKills(kills, trans)} />
      )}
      {limits.shm_mib.limit !== null && (
        <Value label="/dev/shm" value={formatUsage(limits.shm_mib, display)} />
      )}
      <Value
        label={trans.__('Processes and threads')}
        value={formatCounts(limits.processes, trans)}
      />
      {limits.open_files.limit !== null && (
        <Value
          label={trans.__('Open files per program')}
          value={plain(formatCount(limits.open_files.limit, trans))}
        />
      )}
      {cpus !== null && <Value label={trans.__('Processors')} value={plain(String(cpus))} />}
      {threads !== null && (
        <Value
          label={trans.__('Threads per computation')}
          value={formatThreads(threads, cpus, trans)}
        />
      )}
    </Card>
  );
}
