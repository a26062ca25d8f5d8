/** Takes limits from a CSV file, after it has shown what they would change and mean. */
import { useId, useRef, useState } from 'react';
import { ApiError, sentence } from '../../api/client';
import { useImportQuotas, usePreviewFile } from '../../api/queries';
import type { TablePreview } from '../../api/types';
import { Actions, Dialog } from '../../components/Dialog';
import { Failure, Loading } from '../../components/Notes';
import { useSay } from '../../components/Toasts';
import { count, whole } from '../../lib/format';
import { t } from '../../strings';
import { Changes } from './Changes';
import { Meaning } from './Meaning';

export function ImportDialog({ onClose }: { readonly onClose: () => void }) {
  const id = useId();
  const say = useSay();
  const preview = usePreviewFile();
  const load = useImportQuotas();
  const input = useRef<HTMLInputElement>(null);
  const chosen = useRef<File | null>(null);
  // The very bytes that were previewed are imported, whatever happens to the file meanwhile.
  const [content, setContent] = useState<Blob | null>(null);
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const changes = preview.data ? changesOf(preview.data) : 0;
  const ready = preview.isSuccess && preview.data.problem_count === 0 && changes > 0;

  // A file that is mended and chosen again is news to the browser only if the field was emptied.
  const empty = () => {
    if (input.current) input.current.value = '';
  };
  const look = (found: Blob) => {
    setContent(found);
    preview.mutate(found, {
      onSuccess: ({ problem_count }) => {
        if (problem_count > 0) empty();
      },
      onError: empty
    });
  };
  const choose = async (file: File) => {
    chosen.current = file;
    setName(file.name);
    setContent(null);
    setProblem(null);
    preview.reset();
    load.reset();
    const bytes = await file.arrayBuffer().catch(() => null);
    if (chosen.current !== file) return;
    if (bytes === null) {
      setProblem(t.quotas.importUnreadable);
      empty();
    } else {
      look(new Blob([bytes]));
    }
  };
  const submit = () => {
    if (content === null || !preview.data) return;
    setProblem(null);
    load.mutate(
      { content, revision: preview.data.revision },
      {
        onSuccess: ({ changed }) => {
          say(t.quotas.imported(changed));
          onClose();
        },
        onError: error => {
          setProblem(sentence(error));
          if (error instanceof ApiError && error.status === 412) look(content);
        }
      }
    );
  };
  return (
    <Dialog
      title={t.quotas.importTitle}
      shape="wide"
      onClose={onClose}
      footer={
        <Actions
          label={load.isPending ? t.working : t.quotas.importAction}
          disabled={!ready || load.isPending}
          onAct={submit}
          onClose={onClose}
        />
      }
    >
      <p>{t.quotas.importText}</p>
      <label className="form-label" htmlFor={id}>
        {t.quotas.importFile}
      </label>
      <input
        ref={input}
        id={id}
        data-first
        type="file"
        accept=".csv,text/csv"
        className="form-control"
        disabled={load.isPending}
        onClick={empty}
        onChange={event => {
          const file = event.target.files?.[0];
          if (file) void choose(file);
        }}
      />
      <div className="mt-3">
        {problem && (
          <p className="alert alert-danger" role="alert">
            {problem}
          </p>
        )}
        {preview.isPending && <Loading what={t.quotas.previewing} />}
        {preview.isError && <Failure error={preview.error} />}
        {preview.data && (
          <section aria-labelledby={`${id}-meaning`}>
            <h3 className="fs-6 text-break" id={`${id}-meaning`}>
              {t.quotas.importMeaning(name)}
            </h3>
            {preview.data.problem_count > 0 ? (
              <Problems preview={preview.data} />
            ) : (
              <FileMeaning preview={preview.data} />
            )}
          </section>
        )}
      </div>
    </Dialog>
  );
}

function changesOf({ added, changed, removed }: TablePreview): number {
  return added + changed + removed;
}

function Problems({ preview }: { readonly preview: TablePreview }) {
  const { problem_count, problems } = preview;
  return (
    <div className="alert alert-danger mb-0" role="alert">
      <strong>{t.quotas.importProblems(problem_count)}</strong>
      <ul className="mt-1 mb-0 ps-3">
        {problems.map(({ line, message }) => (
          <li key={`${line}/${message}`} className="text-break">
            {line !== null && <strong>{t.quotas.importLine(line)} </strong>}
            {message}
          </li>
        ))}
      </ul>
      {problem_count > problems.length && (
        <p className="mb-0">{t.more(count(problem_count - problems.length, 'problem'))}</p>
      )}
    </div>
  );
}

function FileMeaning({ preview }: { readonly preview: TablePreview }) {
  const { added, changed, removed, unchanged, changes, effect } = preview;
  const counts: readonly [string, number][] = [
    [t.quotas.importAdded, added],
    [t.quotas.importChanged, changed],
    [t.quotas.importRemoved, removed],
    [t.quotas.importUnchanged, unchanged]
  ];
  const total = changesOf(preview);
  return (
    <>
      <dl className="gd-counts">
        {counts.map(([label, number]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{whole(number)}</dd>
          </div>
        ))}
      </dl>
      {total === 0 ? (
        <p className="alert alert-info mb-0" role="status">
          {t.quotas.importNothing}
        </p>
      ) : (
        <>
          <Meaning preview={effect} />
          <details>
            <summary>{t.quotas.importDetails}</summary>
            <ul className="list-group mt-2">
              {changes.map(({ level, name, before, after }) => (
                <li key={`${level}/${name}`} className="list-group-item">
                  <strong className="text-break">
                    {level === 'default' ? t.quotas.defaultName : name}
                  </strong>{' '}
                  {level !== 'default' && (
                    <span className="text-body-secondary small">{t.quotas.level[level]}</span>
                  )}
                  {after === null && <p className="mb-0 small">{t.quotas.remove}</p>}
                  <Changes level={level} before={before} after={after} />
                </li>
              ))}
            </ul>
            {total > changes.length && (
              <p className="mt-2 mb-0">{t.more(count(total - changes.length, 'change'))}</p>
            )}
          </details>
        </>
      )}
    </>
  );
}
