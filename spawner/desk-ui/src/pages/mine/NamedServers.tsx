/** The user's further servers, which have names: create, start and delete them. */
import { useState, type SubmitEvent } from 'react';
import { useDeleteServer, useHubServers, type HubServer } from '../../api/queries';
import { ConfirmDialog } from '../../components/Dialog';
import { Icon } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { useDesk } from '../../config';
import { t } from '../../strings';
import { serverName, spawnAddress } from './names';

const MAX_LENGTH = 30;
/** The Hub's rule for names. */
const NAME = /^[a-z](-?[a-z0-9])*$/;

/**
 * @param busy - the servers that run or wait, which are shown elsewhere
 */
export function NamedServers({ busy }: { readonly busy: ReadonlySet<string> }) {
  const servers = useHubServers();
  if (servers.data === undefined || !servers.data.named_servers) return null;
  const named = servers.data.servers.filter(({ name }) => name !== '');
  const idle = named.filter(({ name }) => !busy.has(name));
  const { limit } = servers.data;
  return (
    <section className="mt-4" aria-labelledby="gd-servers">
      <h2 className="fs-5" id="gd-servers">
        {t.mine.servers}
      </h2>
      <p className="text-body-secondary">{t.mine.serversHelp}</p>
      {idle.length > 0 && (
        <ul className="list-group mb-3">
          {idle.map(server => (
            <Row key={server.name} server={server} />
          ))}
        </ul>
      )}
      {limit !== null && named.length >= limit ? (
        <p className="text-body-secondary mb-0">{t.mine.serversLimit(limit)}</p>
      ) : (
        <NewServer taken={named.map(({ name }) => name)} />
      )}
    </section>
  );
}

function Row({ server }: { readonly server: HubServer }) {
  const desk = useDesk();
  const notify = useNotify();
  const remove = useDeleteServer();
  const [confirming, setConfirming] = useState(false);
  const name = serverName(server.name);
  const onConfirm = () =>
    remove.mutate(server.name, {
      onSuccess: () => {
        setConfirming(false);
        notify(t.mine.serverDeleted(name));
      }
    });
  return (
    <li className="list-group-item d-flex flex-wrap gap-2 align-items-center">
      <span className="me-auto text-break">
        {name} <span className="text-body-secondary">{t.mine.serverStates[server.state]}</span>
      </span>
      {server.state === 'stopped' && (
        <>
          <a
            className="btn btn-sm btn-outline-secondary"
            href={spawnAddress(desk, server.name)}
            aria-label={t.mine.serverStartLabel(name)}
          >
            <Icon name="play" /> {t.mine.serverStart}
          </a>
          <button
            type="button"
            className="btn btn-sm btn-outline-danger"
            aria-label={t.mine.serverDeleteLabel(name)}
            onClick={() => setConfirming(true)}
          >
            <Icon name="trash" /> {t.mine.serverDelete}
          </button>
        </>
      )}
      {confirming && (
        <ConfirmDialog
          title={t.mine.serverDeleteTitle(name)}
          action={t.mine.serverDelete}
          mutation={remove}
          onConfirm={onConfirm}
          onClose={() => setConfirming(false)}
        >
          {t.mine.serverDeleteText}
        </ConfirmDialog>
      )}
    </li>
  );
}

function NewServer({ taken }: { readonly taken: readonly string[] }) {
  const desk = useDesk();
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!NAME.test(name) || name.length > MAX_LENGTH) setProblem(t.mine.serverNameInvalid);
    else if (taken.includes(name)) setProblem(t.mine.serverNameTaken);
    // The Hub creates it when its form is opened.
    else location.assign(spawnAddress(desk, name));
  };
  return (
    <form className="gd-new-server" noValidate onSubmit={onSubmit}>
      <label htmlFor="gd-new-server" className="form-label">
        {t.mine.serverName}
      </label>
      <div className="input-group has-validation">
        <input
          id="gd-new-server"
          className={`form-control${problem === null ? '' : ' is-invalid'}`}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          placeholder={t.mine.serverNameExample}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : 'gd-new-server-problem'}
          value={name}
          onChange={event => {
            setName(event.target.value.trim());
            setProblem(null);
          }}
        />
        <button type="submit" className="btn btn-outline-secondary">
          <Icon name="plus" /> {t.mine.serverCreate}
        </button>
        {problem !== null && (
          <div id="gd-new-server-problem" className="invalid-feedback" role="alert">
            {problem}
          </div>
        )}
      </div>
    </form>
  );
}
