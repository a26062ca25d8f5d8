/** The live map of hosts and GPUs, and the queue. */
import { useState } from 'react';
import { useLab } from '../../api/queries';
import type { GPU } from '../../api/types';
import { Page, StaleNotice } from '../../components/Page';
import { EmptyState, Icon, QueryStatus } from '../../components/Status';
import { ToggleButton } from '../../components/ToggleButton';
import { useDesk } from '../../config';
import { whole } from '../../lib/numbers';
import { useSearchParams } from '../../lib/searchParams';
import { t } from '../../strings';
import { byHost, FILTER_KEYS, FILTERS, gpuName, matches, type Filter } from './gpus';
import { GPUTile } from './GPUTile';
import { ManageDialog } from './ManageDialog';
import { QueueTable } from './QueueTable';
import { ReturnAll } from './ReturnAll';

export function LabPage() {
  const lab = useLab();
  const { manage } = useDesk();
  const [parameters, setParameters] = useSearchParams();
  const [managed, setManaged] = useState<string | null>(null);
  const filter = FILTER_KEYS.find(known => known === parameters.get('state')) ?? 'all';
  const gpus = lab.data?.gpus ?? [];
  // GPUs that are still listed are lost, and that is a problem.
  const onCPU = lab.data?.runs_on_cpu === true && gpus.length === 0;
  const shown = gpus.filter(gpu => matches(gpu, filter));
  const chosen = gpus.find(gpu => gpu.uuid === managed);
  return (
    <Page title={t.lab.title}>
      <StaleNotice query={lab} />
      <QueryStatus query={lab} loading={t.lab.loading} polled />
      {lab.data?.problem && !onCPU && (
        <div className="alert alert-warning" role="status">
          {lab.data.problem}
        </div>
      )}
      {lab.data && gpus.length === 0 && (
        <EmptyState icon="microchip" title={onCPU ? t.lab.cpu : t.lab.none}>
          <p className="text-body-secondary gd-sentence">
            {(onCPU && lab.data.problem) || t.lab.noneHelp}
          </p>
        </EmptyState>
      )}
      {gpus.length > 0 && (
        <Filters
          gpus={gpus}
          filter={filter}
          onFilter={choice => setParameters({ state: choice === 'all' ? null : choice })}
        />
      )}
      {manage && <ReturnAll gpus={gpus} />}
      {gpus.length > 0 && shown.length === 0 && (
        <EmptyState icon="filter" title={t.lab.noneMatch} />
      )}
      {byHost(shown).map(host => (
        <section key={host.name} className="mb-4" aria-label={host.name}>
          <h2 className="fs-5 d-flex flex-wrap gap-2 align-items-baseline">
            <span className="text-break">{host.name}</span>
            <small className="text-body-secondary fw-normal fs-6">
              {t.lab.host(host.free, host.gpus.length)}
            </small>
          </h2>
          <ul className="gd-map list-unstyled mb-0">
            {host.gpus.map(gpu => (
              <li key={gpu.uuid}>
                <GPUTile gpu={gpu} onManage={() => setManaged(gpu.uuid)} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {lab.data && <QueueTable />}
      {chosen && (
        <ManageDialog
          gpu={chosen}
          name={t.lab.gpuOfHost(chosen.host, gpuName(chosen))}
          onClose={() => setManaged(null)}
        />
      )}
    </Page>
  );
}

interface FiltersProps {
  readonly gpus: readonly GPU[];
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
}

function Filters({ gpus, filter, onFilter }: FiltersProps) {
  return (
    <div className="gd-filters mb-3" role="group" aria-label={t.lab.filter}>
      {FILTER_KEYS.map(key => (
        <ToggleButton key={key} pressed={key === filter} onClick={() => onFilter(key)}>
          <Icon name={FILTERS[key].icon} /> {FILTERS[key].name}{' '}
          <span className="gd-count">{whole(gpus.filter(gpu => matches(gpu, key)).length)}</span>
        </ToggleButton>
      ))}
    </div>
  );
}
