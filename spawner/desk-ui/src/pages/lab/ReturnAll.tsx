/** Returns all GPUs to service that are fit for it, and shows which are not, and why. */
import { useChangeGPUs } from '../../api/queries';
import type { GPU } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { ErrorAlert, Icon } from '../../components/Status';
import { t } from '../../strings';
import { gpuName } from './gpus';

/** A button for administrators, while there are GPUs that it could return. */
export function ReturnAll({ gpus }: { readonly gpus: readonly GPU[] }) {
  const back = useChangeGPUs();
  const waiting = gpus.filter(gpu => gpu.state === 'quarantined' || gpu.state === 'lost').length;
  const name = (uuid: string) => {
    const gpu = gpus.find(one => one.uuid === uuid);
    return gpu === undefined ? uuid : t.lab.gpuOfHost(gpu.host, gpuName(gpu));
  };
  return (
    <>
      {waiting > 0 && (
        <button
          type="button"
          className="btn btn-sm btn-outline-success mb-3"
          title={t.lab.backAllHelp}
          disabled={back.isPending}
          onClick={() => back.mutate({ state: 'active' })}
        >
          <Icon name="rotate-left" /> {back.isPending ? t.working : t.lab.backAll}
        </button>
      )}
      {back.error && <ErrorAlert error={back.error} />}
      {back.data && (
        <Dialog title={t.lab.backAllTitle} onClose={back.reset}>
          <p>{t.lab.returnedAll(back.data.returned.length)}</p>
          {back.data.returned.length > 0 && (
            <ul>
              {back.data.returned.map(uuid => (
                <li key={uuid}>{name(uuid)}</li>
              ))}
            </ul>
          )}
          {back.data.kept.length > 0 && (
            <>
              <p>{t.lab.keptAll(back.data.kept.length)}</p>
              <ul className="mb-0">
                {back.data.kept.map(({ uuid, reason }) => (
                  <li key={uuid}>
                    <strong>{name(uuid)}</strong>
                    {t.explanation(reason)}
                  </li>
                ))}
              </ul>
            </>
          )}
        </Dialog>
      )}
    </>
  );
}
