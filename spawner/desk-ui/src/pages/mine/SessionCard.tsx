/** One session: its GPUs, its time left, and its actions. */
import { useState } from 'react';
import { useExtend, useLab, useRelease } from '../../api/queries';
import type { GPU, Session } from '../../api/types';
import { ConfirmDialog } from '../../components/Dialog';
import { Simulated } from '../../components/Simulated';
import { ErrorAlert, Icon } from '../../components/Status';
import { Telemetry } from '../../components/Telemetry';
import { useNotify } from '../../components/Toasts';
import { useDesk } from '../../config';
import { useNow } from '../../lib/clock';
import { duration, gibibytes, shortDateTime, spokenDuration } from '../../lib/format';
import { amount } from '../../lib/numbers';
import { t } from '../../strings';
import { gpuName } from '../lab/gpus';
import { announceEnd } from './ending';
import { serverAddress, serverName } from './names';

const HOUR = 3600;

export function SessionCard({
  session,
  onEnding
}: {
  readonly session: Session;
  /** Called with the session's id when its user ends it, and with null if that fails. */
  readonly onEnding: (id: string | null) => void;
}) {
  const desk = useDesk();
  const notify = useNotify();
  const now = useNow();
  const lab = useLab();
  const extend = useExtend();
  const release = useRelease();
  const [confirming, setConfirming] = useState(false);
  const name = serverName(session.server);
  const devices = session.gpus
    .map(uuid => lab.data?.gpus.find(gpu => gpu.uuid === uuid))
    .filter(gpu => gpu !== undefined);
  const stopping = session.state === 'stopping';

  const onExtend = () =>
    extend.mutate(session.id, {
      onSuccess: changed =>
        notify(
          changed.ends_at === null
            ? t.mine.extendedNoEnd(name)
            : t.mine.extended(name, shortDateTime(changed.ends_at, now))
        )
    });
  const onConfirm = () => {
    announceEnd(serverAddress(desk, session));
    // Now: a session that ends at once takes this card, and what it would do afterwards, with it.
    onEnding(session.id);
    release.mutate(session.id, {
      onSuccess: () => {
        setConfirming(false);
        notify(t.mine.released(name));
      },
      onError: () => onEnding(null)
    });
  };

  return (
    <article className="card" aria-label={name}>
      <div className="card-body">
        <div className="d-flex flex-wrap gap-2 justify-content-between align-items-start">
          <div>
            <h3 className="fs-5 mb-1">{name}</h3>
            <SessionState state={session.state} />
            <div className="small text-body-secondary">
              {t.mine.since(shortDateTime(session.granted_at, now))}
            </div>
          </div>
          <TimeLeft session={session} now={now} />
        </div>
        {session.gpus.length === 0 && (
          <p className="text-body-secondary mt-3 mb-0">{t.mine.noGPU}</p>
        )}
        {devices.length > 0 && (
          <ul className="list-unstyled d-grid gap-3 mt-3 mb-0">
            {devices.map(gpu => (
              <li key={gpu.uuid}>
                <Device gpu={gpu} session={session} />
              </li>
            ))}
          </ul>
        )}
        {session.idle_since !== null && !stopping && (
          <p className="mt-3 mb-0">
            <Icon name="moon" /> {t.mine.idleFor(duration(now - session.idle_since))}
          </p>
        )}
        {session.ends_at !== null && (
          <p className="text-body-secondary small mt-3 mb-0">
            {session.why} {!stopping && extensionText(session, now)}
          </p>
        )}
        {extend.isError && (
          <div className="mt-3">
            <ErrorAlert error={extend.error} />
          </div>
        )}
      </div>
      {!stopping && (
        <div className="card-footer d-flex flex-wrap gap-2">
          <a
            className="btn btn-sm btn-outline-secondary"
            href={serverAddress(desk, session)}
            aria-label={t.mine.openLabel(name)}
          >
            <Icon name="arrow-up-right-from-square" /> {t.mine.open}
          </a>
          {session.ends_at !== null && (
            <button
              type="button"
              className="btn btn-sm btn-outline-secondary"
              disabled={!session.can_extend || extend.isPending}
              aria-label={t.mine.extendLabel(name)}
              onClick={onExtend}
            >
              <Icon name="clock" /> {extend.isPending ? t.working : t.mine.extend}
            </button>
          )}
          <button
            type="button"
            className="btn btn-sm btn-outline-danger ms-auto"
            aria-label={t.mine.releaseLabel(name)}
            onClick={() => setConfirming(true)}
          >
            <Icon name="stop" /> {t.mine.release}
          </button>
        </div>
      )}
      {confirming && (
        <ConfirmDialog
          title={t.mine.releaseTitle(name)}
          action={t.mine.releaseAction}
          mutation={release}
          onConfirm={onConfirm}
          onClose={() => setConfirming(false)}
        >
          {t.mine.releaseText}
        </ConfirmDialog>
      )}
    </article>
  );
}

function extensionText(session: Session, now: number): string {
  if (!session.can_extend) return t.mine.cannotExtend;
  return session.extendable_until === null
    ? ''
    : t.mine.extendUntil(shortDateTime(session.extendable_until, now));
}

function SessionState({ state }: { readonly state: Session['state'] }) {
  if (state === 'active') {
    return (
      <span className="gd-good">
        <Icon name="circle-play" /> {t.mine.running}
      </span>
    );
  }
  return (
    <span className="text-body-secondary">
      <Icon name="spinner" /> {state === 'granted' ? t.mine.starting : t.mine.stopping}
    </span>
  );
}

function TimeLeft({ session, now }: { readonly session: Session; readonly now: number }) {
  if (session.ends_at === null) {
    return (
      <div className="text-end">
        <div className="gd-time">{t.mine.noEnd}</div>
        <div className="small text-body-secondary">{t.mine.noEndHelp}</div>
      </div>
    );
  }
  const left = session.ends_at - now;
  const tone = left <= 15 * 60 ? ' gd-bad' : left <= 60 * 60 ? ' gd-warn' : '';
  return (
    <div className="text-end">
      <div className="small text-body-secondary">{t.mine.left}</div>
      <div
        className={`gd-time${tone}`}
        role="timer"
        aria-label={t.mine.leftSpoken(spokenDuration(left))}
      >
        {duration(left)}
      </div>
      <div className="small text-body-secondary">
        {t.mine.ends(shortDateTime(session.ends_at, now))}
        {session.can_extend && session.extendable_until !== null && (
          <> {t.mine.extendable(amount((session.extendable_until - session.granted_at) / HOUR))}</>
        )}
      </div>
    </div>
  );
}

function Device({ gpu, session }: { readonly gpu: GPU; readonly session: Session }) {
  return (
    <>
      <div className="fw-semibold">
        {gpu.model} <span className="text-body-secondary">{gibibytes(gpu.memory_mib)}</span>{' '}
        <Simulated gpu={gpu} />
      </div>
      <div className="small text-body-secondary mb-1">
        {t.lab.gpuOfHost(gpu.host, gpuName(gpu))}
      </div>
      {session.slots > 1 && (
        <p className="small mb-1">{t.mine.slot(session.slot, session.slots)}</p>
      )}
      <Telemetry gpu={gpu} />
    </>
  );
}
