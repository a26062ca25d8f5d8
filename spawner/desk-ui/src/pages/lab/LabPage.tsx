/** The map of hosts and GPUs, live, and who waits for them. */
import { useState } from 'react';
import { useLab } from '../../api/queries';
import type { GPU } from '../../api/types';
import { Empty, Failure, Loading } from '../../components/Notes';
import { Page, Stale } from '../../components/Page';
import { useAddress } from '../../lib/address';
import { whole } from '../../lib/format';
import { t } from '../../strings';
import { byHost, FILTERS, gpuName, LOOKS, matches, type Filter } from './gpus';
import { GPUTile } from './GPUTile';
import { ManageDialog } from './ManageDialog';
import { QueueTable } from './QueueTable';

export function LabPage() {
  const lab = useLab();
  const [address, setAddress] = useAddress();
  const [managed, setManaged] = useState<string | null>(null);
  const filter = FILTERS.find(known => known === address.get('state')) ?? 'all';
  const gpus = lab.data?.gpus ?? [];
  // Where GPUs are still listed, they have gone, and that is a problem.
  const onCPU = lab.data?.runs_on_cpu === true && gpus.length === 0;
  const shown = gpus.filter(gpu => matches(gpu, filter));
  const chosen = gpus.find(gpu => gpu.uuid === managed);
  return (
    <Page title={t.lab.title}>
      <Stale failing={lab.isRefetchError} since={lab.dataUpdatedAt} />
      {lab.isPending && <Loading what={t.lab.loading} />}
      {lab.isLoadingError && <Failure error={lab.error} onRetry={() => void lab.refetch()} />}
      {lab.data?.problem && !onCPU && (
        <div className="alert alert-warning" role="status">
          {lab.data.problem}
        </div>
      )}
      {lab.data && gpus.length === 0 && (
        <Empty icon="microchip" title={onCPU ? t.lab.cpu : t.lab.none}>
          <p className="text-body-secondary gd-sentence">
            {(onCPU && lab.data.problem) || t.lab.noneHelp}
          </p>
        </Empty>
      )}
      {gpus.length > 0 && (
        <Filters
          gpus={gpus}
          filter={filter}
          onFilter={choice => setAddress({ state: choice === 'all' ? null : choice })}
        />
      )}
      {gpus.length > 0 && shown.length === 0 && <Empty icon="filter" title={t.lab.noneMatch} />}
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
          name={`${chosen.host}, ${gpuName(chosen)}`}
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
  const words: { readonly [name in Filter]: string } = {
    all: t.lab.all,
    free: t.states.free,
    leased: t.states.leased,
    idle: t.states.idle,
    out: t.lab.outOfService
  };
  const icons: { readonly [name in Filter]: string } = {
    all: 'microchip',
    free: LOOKS.free.icon,
    leased: LOOKS.leased.icon,
    idle: LOOKS.idle.icon,
    out: LOOKS.quarantined.icon
  };
  return (
    <div className="gd-filters mb-3" role="group" aria-label={t.lab.filter}>
      {FILTERS.map(name => (
        <button
          key={name}
          type="button"
          className={`btn btn-outline-secondary${name === filter ? ' active' : ''}`}
          aria-pressed={name === filter}
          onClick={() => onFilter(name)}
        >
          <i className={`fa fa-${icons[name]} fa-fw`} aria-hidden="true" /> {words[name]}{' '}
          <span className="gd-count">{whole(gpus.filter(gpu => matches(gpu, name)).length)}</span>
        </button>
      ))}
    </div>
  );
}
