/** What an administrator can do with a GPU and the sessions on it. */
import { useId, useState } from 'react';
import { useChangeGPU, useForgetGPU, useRelease } from '../../api/queries';
import type { GPU, GPUChange, Holder } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { Simulated } from '../../components/Simulated';
import { ErrorAlert, Icon } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { t } from '../../strings';

interface ManageDialogProps {
  readonly gpu: GPU;
  readonly name: string;
  readonly onClose: () => void;
}

const MAX_SLOTS = 16;

export function ManageDialog({ gpu, name, onClose }: ManageDialogProps) {
  const id = useId();
  const notify = useNotify();
  const change = useChangeGPU();
  const release = useRelease();
  const forget = useForgetGPU();
  const [slots, setSlots] = useState(gpu.slots);
  const [confirming, setConfirming] = useState<Holder | null>(null);
  const thenClose = (message: string) => ({
    onSuccess: () => {
      notify(message);
      onClose();
    }
  });
  const send = (document: GPUChange, message: string) =>
    change.mutate({ uuid: gpu.uuid, change: document }, thenClose(message));
  const error = change.error ?? release.error ?? forget.error;

  return (
    <Dialog title={t.lab.manageLabel(name)} onClose={onClose}>
      {error && <ErrorAlert error={error} />}
      <p className="mb-1">
        {gpu.model} <Simulated gpu={gpu} />
      </p>
      <p className="small text-body-secondary text-break">
        {t.label(t.lab.uuid)} <code>{gpu.uuid}</code>
      </p>
      <h3 className="fs-6">{t.lab.sessions}</h3>
      {gpu.leases.length === 0 && <p>{t.lab.sessionsNone}</p>}
      <ul className="list-group mb-4">
        {gpu.leases.map(holder => {
          const user = holder.user ?? t.lab.anotherUser;
          const confirms = confirming !== null && confirming.id === holder.id;
          return (
            <li key={holder.id ?? holder.slot} className="list-group-item">
              <div className="d-flex gap-2 justify-content-between align-items-center">
                <span className="text-break">{user}</span>
                {holder.id !== null && !confirms && (
                  <button
                    type="button"
                    className="btn btn-sm btn-outline-danger"
                    aria-label={t.lab.releaseLabel(user)}
                    onClick={() => setConfirming(holder)}
                  >
                    <Icon name="stop" /> {t.mine.release}
                  </button>
                )}
              </div>
              {confirms && holder.id !== null && (
                <div className="mt-2" role="alert">
                  <p className="mb-2">
                    <strong>{t.lab.releaseTitle(user)}</strong> {t.lab.releaseText(user)}
                  </p>
                  <div className="d-flex gap-2 justify-content-end">
                    <button
                      type="button"
                      className="btn btn-sm btn-outline-secondary"
                      onClick={() => setConfirming(null)}
                    >
                      {t.keep}
                    </button>
                    <button
                      type="button"
                      className="btn btn-sm btn-danger"
                      disabled={release.isPending}
                      onClick={() =>
                        release.mutate(holder.id ?? '', thenClose(t.lab.released(user)))
                      }
                    >
                      {release.isPending ? t.working : t.lab.releaseAction}
                    </button>
                  </div>
                </div>
              )}
            </li>
          );
        })}
      </ul>
      {gpu.in_service ? (
        <Action
          style="outline-warning gd-outline-warning"
          icon="arrow-right-from-bracket"
          label={t.lab.drain}
          help={t.lab.drainHelp}
          disabled={change.isPending}
          onClick={() => send({ state: 'draining' }, t.lab.drained(name))}
        />
      ) : gpu.reported ? (
        <Action
          style="outline-success"
          icon="rotate-left"
          label={t.lab.back}
          help={t.lab.backHelp}
          disabled={change.isPending}
          onClick={() => send({ state: 'active' }, t.lab.returned(name))}
        />
      ) : null}
      {!gpu.reported && gpu.leases.length === 0 && (
        <Action
          style="outline-danger"
          icon="trash"
          label={t.lab.forget}
          help={t.lab.forgetHelp}
          disabled={forget.isPending}
          onClick={() => forget.mutate(gpu.uuid, thenClose(t.lab.forgotten(name)))}
        />
      )}
      <form
        onSubmit={event => {
          event.preventDefault();
          send({ slots }, t.lab.slotsSet(name, slots));
        }}
      >
        <label className="form-label" htmlFor={id}>
          {t.lab.slots}
        </label>
        <div className="d-flex gap-2">
          <select
            id={id}
            className="form-select w-auto"
            value={slots}
            disabled={gpu.leases.length > 0}
            onChange={event => setSlots(Number(event.target.value))}
          >
            {Array.from({ length: MAX_SLOTS }, (_, index) => index + 1).map(number => (
              <option key={number} value={number}>
                {number}
              </option>
            ))}
          </select>
          <button
            type="submit"
            className="btn btn-outline-secondary"
            disabled={gpu.leases.length > 0 || slots === gpu.slots || change.isPending}
          >
            {t.lab.slotsSave}
          </button>
        </div>
        <p className="form-text mb-0">{t.lab.slotsHelp}</p>
      </form>
    </Dialog>
  );
}

interface ActionProps {
  readonly style: string;
  readonly icon: string;
  readonly label: string;
  readonly help: string;
  readonly disabled: boolean;
  readonly onClick: () => void;
}

function Action({ style, icon, label, help, disabled, onClick }: ActionProps) {
  return (
    <div className="mb-4">
      <button type="button" className={`btn btn-${style}`} disabled={disabled} onClick={onClick}>
        <Icon name={icon} /> {label}
      </button>
      <p className="form-text mb-0">{help}</p>
    </div>
  );
}
