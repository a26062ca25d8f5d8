/** The limits of users, groups and the lab: a table to edit in place, preview and save. */
import type { RowSelectionState } from '@tanstack/react-table';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useQuotas, type QuotaView } from '../../api/queries';
import type { Level, QuotaDocument, QuotaField, QuotaRow, QuotaValue } from '../../api/types';
import { DataTable } from '../../components/DataTable';
import { ConfirmDialog, Dialog } from '../../components/Dialog';
import { Page } from '../../components/Page';
import { Pager } from '../../components/Pager';
import { EmptyState, Icon, QueryStatus } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { ToggleButton } from '../../components/ToggleButton';
import { useDesk } from '../../config';
import { useSearchParams, type Parameters } from '../../lib/searchParams';
import { t } from '../../strings';
import { BulkDialog } from './BulkDialog';
import { COLUMNS } from './columns';
import { ConflictDialog } from './ConflictDialog';
import { EditingContext, type Editing } from './context';
import { Drawer } from './Drawer';
import { Contradictions } from './Impact';
import { GroupPeople } from './GroupPeople';
import { ImportDialog } from './ImportDialog';
import { NewGroupDialog } from './NewGroupDialog';
import { ReviewDialog } from './ReviewDialog';
import { keyOf, stage, stageField, unstage, type Staged } from './staging';

const ROWS = 50;
const LEVELS: readonly Level[] = ['user', 'group', 'default'];
const NO_CHANGES: Staged = new Map();

type Open = 'review' | 'conflict' | 'bulk' | 'import' | 'discard' | 'group' | null;

export function QuotasPage() {
  const desk = useDesk();
  const notify = useNotify();
  const [parameters, setParameters] = useSearchParams();
  const [staged, setStaged] = useState<Staged>(NO_CHANGES);
  const [selected, setSelected] = useState<RowSelectionState>({});
  const [details, setDetails] = useState<QuotaRow | null>(null);
  const [created, setCreated] = useState<string | null>(null);
  const [open, setOpen] = useState<Open>(null);
  const [contradictions, setContradictions] = useState<readonly string[]>([]);
  useUnsavedWarning(staged.size > 0);

  // The lead of a group sees only users, and can change those in the group.
  const levels = desk.read ? LEVELS : LEVELS.slice(0, 1);
  const edits = desk.manage || desk.leads.length > 0;
  const canEdit = useCallback(
    (row: QuotaRow) => desk.manage || row.groups.some(group => desk.leads.includes(group)),
    [desk]
  );
  const level = levels.find(known => known === parameters.get('level')) ?? 'user';
  const sort = parameters.get('sort') ?? 'name';
  const view: QuotaView = {
    level,
    search: parameters.get('search') ?? '',
    sort,
    offset: Math.max(0, Number(parameters.get('offset')) || 0),
    limit: ROWS
  };
  const page = useQuotas(view);
  const rows = useMemo(() => page.data?.rows ?? [], [page.data]);

  const setField = useCallback(
    (row: QuotaRow, field: QuotaField, value: QuotaValue | undefined) =>
      setStaged(all => stageField(all, row, field, value)),
    []
  );
  const setDocument = useCallback(
    (row: QuotaRow, document: QuotaDocument | null) => setStaged(all => stage(all, row, document)),
    []
  );
  const editing = useMemo<Editing>(
    () => ({ staged, canEdit, setField, setDocument, open: setDetails }),
    [staged, canEdit, setField, setDocument]
  );
  const show = (change: Parameters) => {
    setSelected({});
    setCreated(null);
    setParameters({ offset: null, ...change });
  };
  // The row of a group that was just made comes with the next answer.
  const made = rows.find(row => row.level === 'group' && row.name === created);
  if (made !== undefined) {
    setDetails(made);
    setCreated(null);
  }
  const chosen = rows.filter(row => selected[keyOf(row)] && canEdit(row));

  return (
    <EditingContext value={editing}>
      <Page
        title={t.quotas.title}
        actions={desk.read && <CsvActions onImport={() => setOpen('import')} />}
      >
        <div className="d-flex flex-wrap gap-2 align-items-center mb-3">
          {levels.length > 1 && (
            <div className="btn-group" role="group" aria-label={t.quotas.levelChoice}>
              {levels.map(choice => (
                <ToggleButton
                  key={choice}
                  pressed={choice === level}
                  onClick={() => show({ level: choice, search: null, sort: null })}
                >
                  {t.quotas.levels[choice]}
                </ToggleButton>
              ))}
            </div>
          )}
          {level !== 'default' && (
            <Search
              key={level}
              label={t.quotas.search[level]}
              value={view.search}
              onSearch={search => show({ search })}
            />
          )}
          {level === 'group' && desk.manage && (
            <button
              type="button"
              className="btn btn-outline-secondary"
              onClick={() => setOpen('group')}
            >
              <Icon name="plus" /> {t.groups.new}
            </button>
          )}
          {chosen.length > 0 && (
            <div className="d-flex flex-wrap gap-2 align-items-center ms-md-auto">
              <span role="status">{t.quotas.selected(chosen.length)}</span>
              <button
                type="button"
                className="btn btn-sm btn-outline-secondary"
                onClick={() => setOpen('bulk')}
              >
                <Icon name="pen-to-square" /> {t.quotas.bulk}
              </button>
              <button type="button" className="btn btn-sm btn-link" onClick={() => setSelected({})}>
                {t.quotas.unselect}
              </button>
            </div>
          )}
        </div>
        <QueryStatus query={page} loading={t.quotas.loading} />
        {page.data && (
          <>
            <DataTable
              caption={t.quotas.table[level]}
              columns={COLUMNS[level]}
              rows={rows}
              rowId={keyOf}
              rowClass={row => (staged.has(keyOf(row)) ? 'gd-changed-row' : '')}
              rowLabel={row => row.name}
              sort={{ column: sort.replace(/^-/, ''), descending: sort.startsWith('-') }}
              {...(level !== 'default' && {
                onSort: ({ column, descending }: { column: string; descending: boolean }) =>
                  show({ sort: `${descending ? '-' : ''}${column}` })
              })}
              {...(edits && level !== 'default' && { selected, onSelect: setSelected })}
              empty={
                <EmptyState
                  icon="users"
                  title={
                    view.search !== ''
                      ? t.quotas.noMatch(view.search)
                      : t.quotas.none[level === 'group' ? 'group' : 'user']
                  }
                />
              }
            />
            {edits && <p className="form-text">{t.quotas.hint}</p>}
            {level !== 'default' && (
              <Pager
                offset={view.offset}
                limit={ROWS}
                total={page.data.total}
                label={t.quotas.table[level]}
                onMove={offset => show({ offset: offset === 0 ? null : String(offset) })}
              />
            )}
          </>
        )}
        {!desk.read &&
          desk.leads.map(name => (
            <div key={name} className="gd-people mt-4">
              <GroupPeople name={name} onDeleted={() => undefined} />
            </div>
          ))}
        {staged.size > 0 && (
          <div className="gd-savebar" role="region" aria-label={t.quotas.staged(staged.size)}>
            <span role="status">
              <Icon name="pen" /> {t.quotas.staged(staged.size)}
            </span>
            <span className="d-flex gap-2">
              <button
                type="button"
                className="btn btn-sm btn-outline-secondary"
                onClick={() => setOpen('discard')}
              >
                {t.quotas.discard}
              </button>
              <button
                type="button"
                className="btn btn-sm btn-primary"
                onClick={() => setOpen('review')}
              >
                {t.quotas.review}
              </button>
            </span>
          </div>
        )}
      </Page>
      {details !== null && (
        <Drawer key={keyOf(details)} row={details} onClose={() => setDetails(null)} />
      )}
      {open === 'bulk' && (
        <BulkDialog
          level={level}
          count={chosen.length}
          onApply={(field, value) => {
            setStaged(all =>
              chosen.reduce((next, row) => stageField(next, row, field, value), all)
            );
            setOpen(null);
          }}
          onClose={() => setOpen(null)}
        />
      )}
      {open === 'review' && (
        <ReviewDialog
          staged={staged}
          onSaved={found => {
            setContradictions(found);
            notify(t.quotas.saved(staged.size));
            setStaged(NO_CHANGES);
            setSelected({});
            setOpen(null);
          }}
          onConflict={() => setOpen('conflict')}
          onUndo={key => setStaged(all => unstage(all, key))}
          onClose={() => setOpen(null)}
        />
      )}
      {open === 'conflict' && (
        <ConflictDialog
          staged={staged}
          onResolved={next => {
            setStaged(next);
            setOpen(next.size > 0 ? 'review' : null);
            void page.refetch();
          }}
          onClose={() => setOpen(null)}
        />
      )}
      {open === 'group' && (
        <NewGroupDialog
          onCreated={name => {
            setOpen(null);
            show({ search: name });
            setCreated(name);
          }}
          onClose={() => setOpen(null)}
        />
      )}
      {open === 'import' && (
        <ImportDialog onImported={setContradictions} onClose={() => setOpen(null)} />
      )}
      {contradictions.length > 0 && open === null && (
        <Dialog title={t.quotas.savedTitle} onClose={() => setContradictions([])}>
          <Contradictions sentences={contradictions} />
        </Dialog>
      )}
      {open === 'discard' && (
        <ConfirmDialog
          title={t.quotas.discardTitle}
          action={t.quotas.discardAction}
          onConfirm={() => {
            setStaged(NO_CHANGES);
            setOpen(null);
          }}
          onClose={() => setOpen(null)}
        >
          {t.quotas.discardText(staged.size)}
        </ConfirmDialog>
      )}
    </EditingContext>
  );
}

function CsvActions({ onImport }: { readonly onImport: () => void }) {
  const desk = useDesk();
  return (
    <>
      <a className="btn btn-outline-secondary" href={`${desk.api}/quotas.csv`} download>
        <Icon name="download" /> {t.quotas.export}
      </a>
      {desk.manage && (
        <button type="button" className="btn btn-outline-secondary" onClick={onImport}>
          <Icon name="upload" /> {t.quotas.import}
        </button>
      )}
    </>
  );
}

const TYPING_MS = 300;

interface SearchProps {
  readonly label: string;
  readonly value: string;
  readonly onSearch: (text: string | null) => void;
}

/** A search field that searches when typing pauses. */
function Search({ label, value, onSearch }: SearchProps) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onSearch(text === '' ? null : text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value, onSearch]);
  return (
    <input
      type="search"
      className="form-control gd-search"
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={event => setText(event.target.value)}
    />
  );
}

/** Ask for confirmation before the page is left with unsaved changes. */
function useUnsavedWarning(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [unsaved]);
}
