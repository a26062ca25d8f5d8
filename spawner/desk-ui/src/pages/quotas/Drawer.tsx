/** Explains a level's limits, with their origin and use, and edits all of its fields. */
import { useId, useState } from 'react';
import { useEffective } from '../../api/queries';
import type { Effective, QuotaDocument, QuotaField, QuotaRow } from '../../api/types';
import { LIMITS } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { Failure, Loading } from '../../components/Notes';
import { useDesk } from '../../config';
import { now } from '../../lib/clock';
import { amount, localInput, moment, whole } from '../../lib/format';
import { t } from '../../strings';
import { useEditing } from './context';
import { LimitFields, readTyped, typedOf, type Typed } from './LimitFields';
import { current } from './staging';
import { fieldsOf, sayLimit } from './values';

interface DrawerProps {
  readonly row: QuotaRow;
  readonly onClose: () => void;
}

export function Drawer({ row, onClose }: DrawerProps) {
  const desk = useDesk();
  const name = row.level === 'default' ? t.quotas.defaultName : row.name;
  return (
    <Dialog title={t.quotas.drawerTitle(name)} shape="drawer" onClose={onClose}>
      {row.level === 'user' && <InForce row={row} />}
      <DocumentForm row={row} onDone={onClose} />
      <p className="small mt-4 mb-0">
        {row.updated_by !== null && row.updated_at !== null && (
          <>{t.quotas.changedBy(row.updated_by, moment(row.updated_at))} </>
        )}
        {desk.read && (
          <a href={`${desk.base}audit?target=${encodeURIComponent(auditTarget(row))}`}>
            {t.quotas.history}
          </a>
        )}
      </p>
    </Dialog>
  );
}

function auditTarget(row: QuotaRow): string {
  return row.level === 'default' ? 'default' : `${row.level}/${row.name}`;
}

function InForce({ row }: { readonly row: QuotaRow }) {
  const effective = useEffective(row.name);
  const id = useId();
  return (
    <section aria-labelledby={id} className="mb-4">
      <h3 className="fs-6" id={id}>
        {t.quotas.effective}
      </h3>
      <p className="small text-body-secondary">
        {t.quotas.groups}: {row.groups.length > 0 ? row.groups.join(', ') : t.quotas.groupsNone}.{' '}
        {t.quotas.effectiveNote}
      </p>
      {effective.isPending && <Loading what={t.loading} />}
      {effective.isError && (
        <Failure error={effective.error} onRetry={() => void effective.refetch()} />
      )}
      {effective.data && <LimitTable effective={effective.data} />}
    </section>
  );
}

function LimitTable({ effective }: { readonly effective: Effective }) {
  const { limits, used, caps } = effective;
  const uses: { readonly [field in QuotaField]?: string } = {
    max_gpus: whole(used.gpus),
    gpu_hours: amount(used.gpu_hours)
  };
  return (
    <div className="table-responsive">
      <table className="table table-sm mb-0">
        <thead>
          <tr>
            <th scope="col">{t.quotas.limit}</th>
            <th scope="col">{t.quotas.value}</th>
            <th scope="col">{t.quotas.from}</th>
            <th scope="col">{t.quotas.used}</th>
          </tr>
        </thead>
        <tbody>
          {LIMITS.map(field => (
            <tr key={field} title={t.quotas.about[field]}>
              <th scope="row" className="fw-normal">
                {t.quotas.fields[field]}
              </th>
              <td>{sayLimit(field, limits[field].value)}</td>
              <td className="text-body-secondary">{limits[field].origin}</td>
              <td>{uses[field]}</td>
            </tr>
          ))}
          {caps.flatMap(cap => [
            cap.max_gpus !== null && (
              <CapRow
                key={`${cap.group}-gpus`}
                field="group_max_gpus"
                group={cap.group}
                value={whole(cap.max_gpus)}
                used={whole(cap.used.gpus)}
              />
            ),
            cap.gpu_hours !== null && (
              <CapRow
                key={`${cap.group}-hours`}
                field="group_gpu_hours"
                group={cap.group}
                value={amount(cap.gpu_hours)}
                used={amount(cap.used.gpu_hours)}
              />
            )
          ])}
        </tbody>
      </table>
    </div>
  );
}

interface CapRowProps {
  readonly field: QuotaField;
  readonly group: string;
  readonly value: string;
  readonly used: string;
}

function CapRow({ field, group, value, used }: CapRowProps) {
  return (
    <tr title={t.quotas.about[field]}>
      <th scope="row" className="fw-normal">
        {t.quotas.fields[field]}
      </th>
      <td>{value}</td>
      <td className="text-body-secondary">{t.mine.group(group)}</td>
      <td>{used}</td>
    </tr>
  );
}

interface BoostForm {
  readonly until: string;
  readonly typed: Typed;
}

const DAY = 24 * 3600;

function DocumentForm({ row, onDone }: { readonly row: QuotaRow; readonly onDone: () => void }) {
  const { staged, mayEdit, setDocument } = useEditing();
  const editable = mayEdit(row);
  const id = useId();
  const fields = fieldsOf(row.level);
  const [start] = useState(() => current(staged, row));
  const [typed, setTyped] = useState<Typed>(() => typedOf(start, fields));
  const [boost, setBoost] = useState<BoostForm | null>(() =>
    start?.boost === undefined
      ? null
      : {
          until: localInput(Date.parse(start.boost.until) / 1000),
          typed: typedOf(start.boost, fields)
        }
  );
  const [tried, setTried] = useState(false);
  const own = readTyped(typed, fields);
  const boosted = readTyped(boost?.typed ?? {}, fields);
  const until = boost === null ? NaN : Date.parse(boost.until) / 1000;
  const untilProblem = boost !== null && !(until > now()) ? t.quotas.invalid.until : null;
  const emptyBoost =
    boost !== null &&
    Object.keys(boosted.document).length === 0 &&
    Object.keys(boosted.problems).length === 0;
  const bad =
    Object.keys(own.problems).length > 0 ||
    (boost !== null &&
      (untilProblem !== null || emptyBoost || Object.keys(boosted.problems).length > 0));

  const apply = () => {
    setTried(true);
    if (bad) return;
    const document: QuotaDocument = {
      ...own.document,
      ...(boost !== null && {
        boost: { until: new Date(until * 1000).toISOString(), ...boosted.document }
      })
    };
    setDocument(row, Object.keys(document).length === 0 ? null : document);
    onDone();
  };

  return (
    <form
      noValidate
      onSubmit={event => {
        event.preventDefault();
        apply();
      }}
    >
      <h3 className="fs-6">{t.quotas.own[row.level]}</h3>
      {!editable && <p className="small">{t.quotas.forbidden}</p>}
      <LimitFields
        fields={fields}
        typed={typed}
        problems={tried ? own.problems : {}}
        disabled={!editable}
        onType={(field, text) => setTyped(all => ({ ...all, [field]: text }))}
      />
      {boost === null && editable && (
        <button
          type="button"
          className="btn btn-sm btn-outline-secondary mt-3"
          onClick={() => setBoost({ until: localInput(now() + 7 * DAY), typed: {} })}
        >
          {t.quotas.boostAdd}
        </button>
      )}
      {boost !== null && (
        <fieldset className="gd-boost mt-3" disabled={!editable}>
          <legend className="fs-6">{t.quotas.boostTitle}</legend>
          <p className="form-text mt-0">{t.quotas.boostHelp}</p>
          <label className="form-label mb-1" htmlFor={`${id}-until`}>
            {t.quotas.boostUntilLabel}
          </label>
          <input
            id={`${id}-until`}
            type="datetime-local"
            className={`form-control form-control-sm mb-2${tried && untilProblem ? ' is-invalid' : ''}`}
            value={boost.until}
            onChange={event => setBoost({ ...boost, until: event.target.value })}
          />
          {tried && untilProblem && (
            <div className="text-danger small mb-2" role="alert">
              {untilProblem}
            </div>
          )}
          <LimitFields
            fields={fields}
            typed={boost.typed}
            problems={tried ? boosted.problems : {}}
            disabled={!editable}
            onType={(field, text) =>
              setBoost({ ...boost, typed: { ...boost.typed, [field]: text } })
            }
          />
          {tried && emptyBoost && (
            <div className="text-danger small mt-1" role="alert">
              {t.quotas.invalid.empty}
            </div>
          )}
          <button
            type="button"
            className="btn btn-sm btn-link px-0 mt-2"
            onClick={() => setBoost(null)}
          >
            {t.quotas.boostRemove}
          </button>
        </fieldset>
      )}
      {editable && (
        <div className="d-flex flex-wrap gap-2 mt-4">
          <button type="submit" className="btn btn-primary">
            {t.quotas.apply}
          </button>
          {row.document !== null && (
            <button
              type="button"
              className="btn btn-outline-danger"
              onClick={() => {
                setDocument(row, null);
                onDone();
              }}
            >
              {t.quotas.clear}
            </button>
          )}
        </div>
      )}
    </form>
  );
}
