/** One GPU on the map of the lab: its state, its users and its telemetry. */
import type { GPU, Holder } from '../../api/types';
import { Simulated } from '../../components/Simulated';
import { Icon } from '../../components/Status';
import { Telemetry } from '../../components/Telemetry';
import { useDesk } from '../../config';
import { useNow } from '../../lib/clock';
import { duration, gibibytes } from '../../lib/format';
import { t } from '../../strings';
import { gpuName, shownState, STATE_STYLES } from './gpus';

interface GPUTileProps {
  readonly gpu: GPU;
  readonly onManage: () => void;
}

export function GPUTile({ gpu, onManage }: GPUTileProps) {
  const desk = useDesk();
  const state = shownState(gpu);
  const { icon, tone } = STATE_STYLES[state];
  return (
    <article className={`card gd-tile gd-tile-${tone}`} aria-label={gpuName(gpu)}>
      <div className="card-body">
        <div className="d-flex gap-2 justify-content-between align-items-start">
          <h3 className="fs-6 mb-0 me-auto">{gpuName(gpu)}</h3>
          <span className={`badge gd-state gd-state-${tone}`}>
            <Icon name={icon} /> {t.states[state]}
          </span>
          {desk.manage && (
            <button
              type="button"
              className="btn btn-sm gd-manage"
              aria-label={t.lab.manageLabel(t.lab.gpuOfHost(gpu.host, gpuName(gpu)))}
              title={t.lab.manage}
              onClick={onManage}
            >
              <Icon name="ellipsis-vertical" />
            </button>
          )}
        </div>
        <div className="small mb-2">
          {gpu.model} <span className="text-body-secondary">{gibibytes(gpu.memory_mib)}</span>{' '}
          <Simulated gpu={gpu} />
        </div>
        <Holders gpu={gpu} />
        {gpu.reason && <p className="small mb-2">{gpu.reason}</p>}
        <Telemetry gpu={gpu} />
      </div>
    </article>
  );
}

function Holders({ gpu }: { readonly gpu: GPU }) {
  if (gpu.slots === 1) {
    const [holder] = gpu.leases;
    return holder === undefined ? null : (
      <p className="mb-2 text-break">
        <HolderName holder={holder} />
      </p>
    );
  }
  return (
    <div className="mb-2">
      <div className="small text-body-secondary">{t.lab.shared(gpu.leases.length, gpu.slots)}</div>
      <ul className="gd-slots list-unstyled mb-0">
        {Array.from({ length: gpu.slots }, (_, slot) => {
          const holder = gpu.leases.find(lease => lease.slot === slot);
          return (
            <li key={slot} className={holder ? 'gd-slot-taken' : ''}>
              {holder ? (
                <HolderName holder={holder} />
              ) : (
                <span className="text-body-secondary">{t.lab.freeSlot}</span>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function HolderName({ holder }: { readonly holder: Holder }) {
  const desk = useDesk();
  const now = useNow(10);
  const name =
    holder.user === null ? t.lab.anotherUser : holder.user === desk.user ? t.lab.you : holder.user;
  return (
    <>
      <strong className="fw-semibold">{name}</strong>
      {holder.idle_since !== null && (
        <span className="text-body-secondary">{t.lab.idle(duration(now - holder.idle_since))}</span>
      )}
    </>
  );
}
