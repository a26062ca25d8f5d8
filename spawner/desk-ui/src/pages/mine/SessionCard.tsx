/** One session: its GPUs, how long it lasts, and what can be done with it. */
import { useState } from 'react';
import { useExtend, useLab, useRelease } from '../../api/queries';
import { sentence } from '../../api/client';
import type { GPU, Session } from '../../api/types';
import { Confirm } from '../../components/Dialog';
import { Failure, Icon } from '../../components/Notes';
import { Readings } from '../../components/Readings';
import { useSay } from '../../components/Toasts';
import { useDesk } from '../../config';
import { useNow } from '../../lib/clock';
import { duration, gibibytes, near, spokenDuration } from '../../lib/format';
import { t } from '../../strings';
import { serverAddress, serverName } from './names';

export function SessionCard({ session }: { readonly session: Session }) {
  const desk = useDesk();
  const say = useSay();
  const now = useNow();
  const lab = useLab();
  const extend = useExtend();
  const release = useRelease();
  const [asking, setAsking] = useState(false);
  const name = serverName(session.server);
  const devices = session.gpus
    .map(uuid => lab.data?.gpus.find(gpu => gpu.uuid === uuid))
    .filter(gpu => gpu !== undefined);
  const going = session.state === 'stopping';

  const onExtend = () =>
    extend.mutate(session.id, {
      onSuccess: changed =>
        say(
          changed.ends_at === null
            ? t.mine.extendedNoEnd(name)
            : t.mine.extended(name, near(changed.ends_at, now))
        )
    });
  const onRelease = () =>
    release.mutate(session.id, {
      onSuccess: () => {
        setAsking(false);
        say(t.mine.released(name));
      }
    });

  return (
    <article className="card" aria-label={name}>
      <div className="card-body">
        <div className="d-flex flex-wrap gap-2 justify-content-between align-items-start">
          <div>
            <h3 className="fs-5 mb-1">{name}</h3>
            <StateWord session={session} />
            <div className="small text-body-secondary">
              {t.mine.since(near(session.granted_at, now))}
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
        {session.idle_since !== null && !going && (
          <p className="mt-3 mb-0">
            <Icon name="moon" /> {t.mine.idleFor(duration(now - session.idle_since))}
          </p>
        )}
        {session.ends_at !== null && (
          <p className="text-body-secondary small mt-3 mb-0">
            {session.why} {!going && extension(session, now)}
          </p>
        )}
        {extend.isError && (
          <div className="mt-3">
            <Failure error={extend.error} />
          </div>
        )}
      </div>
      {!going && (
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
            onClick={() => setAsking(true)}
          >
            <Icon name="stop" /> {t.mine.release}
          </button>
        </div>
      )}
      {asking && (
        <Confirm
          title={t.mine.releaseTitle(name)}
          action={t.mine.releaseAction}
          busy={release.isPending}
          problem={release.isError ? sentence(release.error) : null}
          onConfirm={onRelease}
          onClose={() => setAsking(false)}
        >
          <p className="mb-0">{t.mine.releaseText}</p>
        </Confirm>
      )}
    </article>
  );
}

function extension(session: Session, now: number): string {
  if (!session.can_extend) return t.mine.cannotExtend;
  return session.extendable_until === null
    ? ''
    : t.mine.extendUntil(near(session.extendable_until, now));
}

function StateWord({ session }: { readonly session: Session }) {
  switch (session.state) {
    case 'stopping':
      return (
        <span className="text-body-secondary">
          <Icon name="spinner" /> {t.mine.stopping}
        </span>
      );
    case 'granted':
      return (
        <span className="text-body-secondary">
          <Icon name="spinner" /> {t.mine.starting}
        </span>
      );
    default:
      return (
        <span className="gd-good">
          <Icon name="circle-play" /> {t.mine.running}
        </span>
      );
  }
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
      <div className="small text-body-secondary">{t.mine.ends(near(session.ends_at, now))}</div>
    </div>
  );
}

function Device({ gpu, session }: { readonly gpu: GPU; readonly session: Session }) {
  return (
    <>
      <div className="fw-semibold">
        {gpu.model} <span className="text-body-secondary">{gibibytes(gpu.memory_mib)}</span>
      </div>
      <div className="small text-body-secondary mb-1">
        {gpu.host}, {t.lab.gpu(gpu.index)}
        {gpu.mig_profile && `, ${t.lab.slice(gpu.mig_profile)}`}
      </div>
      {session.slots > 1 && (
        <p className="small mb-1">{t.mine.slot(session.slot, session.slots)}</p>
      )}
      <Readings gpu={gpu} />
    </>
  );
}
