/** The limits of one row with their origin and usage, and a form for all of its fields. */
import { Fragment, useId, useState } from 'react';
import { useEffective } from '../../api/queries';
import type { EffectiveQuota, QuotaDocument, QuotaField, QuotaRow } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { QueryStatus } from '../../components/Status';
import { useDesk } from '../../config';
import { now } from '../../lib/clock';
import { dateTime, localInput } from '../../lib/format';
import { amount, whole } from '../../lib/numbers';
import { t } from '../../strings';
import { useEditing } from './context';
import { GroupPeople } from './GroupPeople';
import { LimitFields, parseTexts, textsOf, type Texts } from './LimitFields';
import { currentDocument, keyOf } from './staging';
import { describeLimit, displayName, fieldsOf, LIMITS } from './values';

interface DrawerProps {
  readonly row: QuotaRow;
  readonly onClose: () => void;
}

export function Drawer({ row, onClose }: DrawerProps) {
  const desk = useDesk();
  const target = row.level === 'default' ? 'default' : keyOf(row);
  return (
    <Dialog title={t.quotas.drawerTitle(displayName(row))} shape="drawer" onClose={onClose}>
      {row.level === 'user' && <InForce row={row} />}
      {row.level === 'group' && <GroupPeople name={row.name} onDeleted={onClose} />}
      <DocumentForm row={row} onDone={onClose} />
      <p className="small mt-4 mb-0">
        {row.updated_by !== null && row.updated_at !== null && (
          <>{t.quotas.changedBy(row.updated_by, dateTime(row.updated_at))} </>
        )}
        {desk.read && (
          <a href={`${desk.base}audit?target=${encodeURIComponent(target)}`}>{t.quotas.history}</a>
        )}
      </p>
    </Dialog>
  );
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
        {row.groups.length > 0
          ? t.quotas.inGroups(t.list(row.groups), t.quotas.effectiveNote)
          : t.quotas.noGroup(t.quotas.effectiveNote)}
      </p>
      <QueryStatus query={effective} loading={t.loading} />
      {effective.data && <LimitTable effective={effective.data} />}
    </section>
  );
}

function LimitTable({ effective }: { readonly effective: EffectiveQuota }) {
  const { limits, used, caps } = effective;
  const usage: { readonly [field in QuotaField]?: string } = {
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
            <LimitRow
              key={field}
              field={field}
              value={describeLimit(field, limits[field].value)}
              origin={t.mine.origin(limits[field].origin)}
              used={usage[field]}
            />
          ))}
          {caps.map(cap => (
            <Fragment key={cap.group}>
              {cap.max_gpus !== null && (
                <LimitRow
                  field="group_max_gpus"
                  value={whole(cap.max_gpus)}
                  origin={t.mine.group(cap.group)}
                  used={whole(cap.used.gpus)}
                />
              )}
              {cap.gpu_hours !== null && (
                <LimitRow
                  field="group_gpu_hours"
                  value={amount(cap.gpu_hours)}
                  origin={t.mine.group(cap.group)}
                  used={amount(cap.used.gpu_hours)}
                />
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface LimitRowProps {
  readonly field: QuotaField;
  readonly value: string;
  readonly origin: string;
  readonly used: string | undefined;
}

function LimitRow({ field, value, origin, used }: LimitRowProps) {
  return (
    <tr title={t.quotas.about[field]}>
      <th scope="row" className="fw-normal">
        {t.quotas.fields[field]}
      </th>
      <td>{value}</td>
      <td className="text-body-secondary">{origin}</td>
      <td>{used}</td>
    </tr>
  );
}

interface BoostForm {
  readonly until: string;
  readonly texts: Texts;
}

const DAY = 24 * 3600;

function DocumentForm({ row, onDone }: { readonly row: QuotaRow; readonly onDone: () => void }) {
  const { staged, canEdit, setDocument } = useEditing();
  const editable = canEdit(row);
  const id = useId();
  const fields = fieldsOf(row.level);
  const [start] = useState(() => currentDocument(staged, row));
  const [texts, setTexts] = useState<Texts>(() => textsOf(start, fields));
  const [boost, setBoost] = useState<BoostForm | null>(() =>
    start?.boost === undefined
      ? null
      : {
          until: localInput(Date.parse(start.boost.until) / 1000),
          texts: textsOf(start.boost, fields)
        }
  );
  const [submitted, setSubmitted] = useState(false);
  const own = parseTexts(texts, fields);
  const boosted = parseTexts(boost?.texts ?? {}, fields);
  const until = boost === null ? NaN : Date.parse(boost.until) / 1000;
  const untilProblem = boost !== null && !(until > now()) ? t.quotas.invalid.until : null;
  const emptyBoost = boost !== null && isEmpty(boosted.document) && isEmpty(boosted.problems);
  const invalid =
    !isEmpty(own.problems) || !isEmpty(boosted.problems) || untilProblem !== null || emptyBoost;

  const apply = () => {
    setSubmitted(true);
    if (invalid) return;
    const document: QuotaDocument = {
      ...own.document,
      ...(boost !== null && {
        boost: { until: new Date(until * 1000).toISOString(), ...boosted.document }
      })
    };
    setDocument(row, document);
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
        texts={texts}
        problems={submitted ? own.problems : {}}
        disabled={!editable}
        onChange={(field, text) => setTexts(all => ({ ...all, [field]: text }))}
      />
      {boost === null && editable && (
        <button
          type="button"
          className="btn btn-sm btn-outline-secondary mt-3"
          onClick={() => setBoost({ until: localInput(now() + 7 * DAY), texts: {} })}
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
            className={`form-control form-control-sm mb-2${submitted && untilProblem ? ' is-invalid' : ''}`}
            value={boost.until}
            onChange={event => setBoost({ ...boost, until: event.target.value })}
          />
          {submitted && untilProblem && (
            <div className="text-danger small mb-2" role="alert">
              {untilProblem}
            </div>
          )}
          <LimitFields
            fields={fields}
            texts={boost.texts}
            problems={submitted ? boosted.problems : {}}
            disabled={!editable}
            onChange={(field, text) =>
              setBoost({ ...boost, texts: { ...boost.texts, [field]: text } })
            }
          />
          {submitted && emptyBoost && (
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
            {t.quotas.stage}
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

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}
