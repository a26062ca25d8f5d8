/** The members and managers of a group: shown, and for administrators changed at once. */
import { useId, useState } from 'react';
import { errorMessage } from '../../api/client';
import { useChangeGroup, useGroups, type GroupChange } from '../../api/queries';
import type { Group, GroupList } from '../../api/types';
import { ConfirmDialog } from '../../components/Dialog';
import { QueryStatus } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { useDesk } from '../../config';
import { t } from '../../strings';

interface GroupPeopleProps {
  readonly name: string;
  readonly onDeleted: () => void;
}

export function GroupPeople({ name, onDeleted }: GroupPeopleProps) {
  const desk = useDesk();
  const id = useId();
  const groups = useGroups();
  return (
    <section aria-labelledby={id} className="mb-4">
      <h3 className="fs-6" id={id}>
        {desk.read ? t.groups.people : t.groups.peopleOf(name)}
      </h3>
      <QueryStatus query={groups} loading={t.groups.loading} />
      {groups.data && <People name={name} list={groups.data} onDeleted={onDeleted} />}
    </section>
  );
}

interface PeopleProps extends GroupPeopleProps {
  readonly list: GroupList;
}

function People({ name, list, onDeleted }: PeopleProps) {
  const desk = useDesk();
  const notify = useNotify();
  const change = useChangeGroup();
  const [deleting, setDeleting] = useState(false);
  const group = list.groups.find(item => item.name === name);
  const send = (next: GroupChange, text: string) =>
    change.mutate(next, { onSuccess: () => notify(text) });
  if (group === undefined) {
    return (
      <>
        <p className="small">{t.groups.missing}</p>
        {desk.manage && !list.from_sign_in && (
          <button
            type="button"
            className="btn btn-sm btn-outline-secondary"
            disabled={change.isPending}
            onClick={() => send({ kind: 'create', group: name }, t.groups.created(name))}
          >
            {t.groups.createAction}
          </button>
        )}
        <Problem error={change.error} />
      </>
    );
  }
  const changesMembers = desk.manage && !list.from_sign_in;
  return (
    <>
      <p className="small text-body-secondary">
        {desk.manage ? t.groups.help : t.groups.helpManager}
      </p>
      {list.from_sign_in && <p className="small">{t.groups.fromSignIn}</p>}
      <MemberTable
        group={group}
        canRemove={changesMembers}
        canAppoint={desk.manage}
        pending={change.isPending}
        onChange={send}
      />
      {group.manager_groups.length > 0 && (
        <p className="small">{t.groups.managerGroups(t.list(group.manager_groups))}</p>
      )}
      {changesMembers && (
        <AddMember
          key={group.members.length}
          users={list.users.filter(user => !group.members.some(member => member.name === user))}
          pending={change.isPending}
          onAdd={user => send({ kind: 'addMember', group: name, user }, t.groups.added(user, name))}
        />
      )}
      <Problem error={change.error} />
      {changesMembers && !group.fixed && (
        <button
          type="button"
          className="btn btn-sm btn-link text-danger px-0 mt-2"
          onClick={() => setDeleting(true)}
        >
          {t.groups.delete}
        </button>
      )}
      {deleting && (
        <ConfirmDialog
          title={t.groups.deleteTitle(name)}
          action={t.groups.deleteAction}
          mutation={change}
          onConfirm={() =>
            change.mutate(
              { kind: 'delete', group: name },
              {
                onSuccess: () => {
                  notify(t.groups.deleted(name));
                  onDeleted();
                }
              }
            )
          }
          onClose={() => setDeleting(false)}
        >
          {t.groups.deleteText}
        </ConfirmDialog>
      )}
    </>
  );
}

function Problem({ error }: { readonly error: unknown }) {
  if (error == null) return null;
  return (
    <div className="alert alert-danger py-2 mt-2" role="alert">
      {errorMessage(error)}
    </div>
  );
}

interface MemberTableProps {
  readonly group: Group;
  readonly canRemove: boolean;
  readonly canAppoint: boolean;
  readonly pending: boolean;
  readonly onChange: (change: GroupChange, text: string) => void;
}

function MemberTable({ group, canRemove, canAppoint, pending, onChange }: MemberTableProps) {
  const people = [
    ...group.members,
    ...group.managers.filter(({ name }) => group.members.every(member => member.name !== name))
  ];
  if (people.length === 0) return <p className="small">{t.groups.empty}</p>;
  return (
    <div className="table-responsive">
      <table className="table table-sm align-middle">
        <thead>
          <tr>
            <th scope="col">{t.groups.member}</th>
            <th scope="col">{t.groups.role}</th>
            {canAppoint && (
              <th scope="col">
                <span className="visually-hidden">{t.groups.actions}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {people.map(({ name }) => {
            const member = group.members.find(item => item.name === name);
            const manager = group.managers.find(item => item.name === name);
            const fixed = member?.fixed === true || manager?.fixed === true;
            const whose = { group: group.name, user: name };
            return (
              <tr key={name}>
                <th scope="row" className="fw-normal text-break">
                  {name}
                </th>
                <td>
                  {manager ? t.groups.manager : t.groups.plainMember}
                  {fixed && (
                    <span className="d-block small text-body-secondary">
                      {t.groups.fromConfiguration}
                    </span>
                  )}
                </td>
                {canAppoint && (
                  <td className="text-end">
                    {member && !manager && (
                      <button
                        type="button"
                        className="btn btn-sm btn-link"
                        aria-label={t.groups.appointLabel(name)}
                        disabled={pending}
                        onClick={() =>
                          onChange({ kind: 'addManager', ...whose }, t.groups.appointed(name))
                        }
                      >
                        {t.groups.appoint}
                      </button>
                    )}
                    {manager && !manager.fixed && (
                      <button
                        type="button"
                        className="btn btn-sm btn-link"
                        aria-label={t.groups.dismissLabel(name)}
                        disabled={pending}
                        onClick={() =>
                          onChange({ kind: 'removeManager', ...whose }, t.groups.dismissed(name))
                        }
                      >
                        {t.groups.dismiss}
                      </button>
                    )}
                    {canRemove && member && !member.fixed && (
                      <button
                        type="button"
                        className="btn btn-sm btn-link"
                        aria-label={t.groups.removeLabel(name)}
                        disabled={pending}
                        onClick={() =>
                          onChange(
                            { kind: 'removeMember', ...whose },
                            t.groups.removed(name, group.name)
                          )
                        }
                      >
                        {t.groups.remove}
                      </button>
                    )}
                  </td>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface AddMemberProps {
  readonly users: readonly string[];
  readonly pending: boolean;
  readonly onAdd: (user: string) => void;
}

function AddMember({ users, pending, onAdd }: AddMemberProps) {
  const id = useId();
  const [user, setUser] = useState('');
  return (
    <form
      className="d-flex flex-wrap gap-2 align-items-end"
      onSubmit={event => {
        event.preventDefault();
        if (user.trim() !== '') onAdd(user.trim());
      }}
    >
      <div className="flex-grow-1">
        <label className="form-label mb-1" htmlFor={id}>
          {t.groups.addLabel}
        </label>
        <input
          id={id}
          className="form-control form-control-sm"
          list={`${id}-users`}
          autoComplete="off"
          value={user}
          onChange={event => setUser(event.target.value)}
        />
        <datalist id={`${id}-users`}>
          {users.map(name => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
      <button
        type="submit"
        className="btn btn-sm btn-outline-secondary"
        disabled={pending || user.trim() === ''}
      >
        {t.groups.add}
      </button>
    </form>
  );
}
