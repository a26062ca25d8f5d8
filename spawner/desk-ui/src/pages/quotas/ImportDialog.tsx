/** Imports limits from a CSV file, after a preview of the changes and their impact. */
import { useId, useRef, useState } from 'react';
import { ApiError, errorMessage } from '../../api/client';
import { useImportQuotas, usePreviewFile } from '../../api/queries';
import type { QuotaTablePreview } from '../../api/types';
import { Dialog, DialogActions } from '../../components/Dialog';
import { ErrorAlert, Loading } from '../../components/Status';
import { useNotify } from '../../components/Toasts';
import { whole } from '../../lib/numbers';
import { t } from '../../strings';
import { Changes } from './Changes';
import { Impact } from './Impact';

interface ImportDialogProps {
  /** Called with sentences about limits that contradict each other. */
  readonly onImported: (contradictions: readonly string[]) => void;
  readonly onClose: () => void;
}

export function ImportDialog({ onImported, onClose }: ImportDialogProps) {
  const id = useId();
  const notify = useNotify();
  const preview = usePreviewFile();
  const importFile = useImportQuotas();
  const input = useRef<HTMLInputElement>(null);
  const chosen = useRef<File | null>(null);
  // The import sends exactly the bytes that were previewed, even if the file changes.
  const [content, setContent] = useState<Blob | null>(null);
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const changes = preview.data ? changesOf(preview.data) : 0;
  const ready = preview.isSuccess && preview.data.problem_count === 0 && changes > 0;

  // The browser reports the same file again only if the input was cleared.
  const clear = () => {
    if (input.current) input.current.value = '';
  };
  const show = (bytes: Blob) => {
    setContent(bytes);
    preview.mutate(bytes, {
      onSuccess: ({ problem_count }) => {
        if (problem_count > 0) clear();
      },
      onError: clear
    });
  };
  const choose = async (file: File) => {
    chosen.current = file;
    setName(file.name);
    setContent(null);
    setProblem(null);
    preview.reset();
    importFile.reset();
    const bytes = await file.arrayBuffer().catch(() => null);
    if (chosen.current !== file) return;
    if (bytes === null) {
      setProblem(t.quotas.importUnreadable);
      clear();
    } else {
      show(new Blob([bytes]));
    }
  };
  const submit = () => {
    if (content === null || !preview.data) return;
    setProblem(null);
    importFile.mutate(
      { content, revision: preview.data.revision },
      {
        onSuccess: ({ changed, contradictions }) => {
          notify(t.quotas.imported(changed));
          onImported(contradictions);
          onClose();
        },
        onError: error => {
          setProblem(errorMessage(error));
          if (error instanceof ApiError && error.status === 412) show(content);
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
        <DialogActions
          label={importFile.isPending ? t.working : t.quotas.importAction}
          disabled={!ready || importFile.isPending}
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
        accept=".csv,.tsv,.txt,text/csv,text/tab-separated-values,text/plain"
        className="form-control"
        disabled={importFile.isPending}
        onClick={clear}
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
        {preview.isError && <ErrorAlert error={preview.error} />}
        {preview.data && (
          <section aria-labelledby={`${id}-impact`}>
            <h3 className="fs-6 text-break" id={`${id}-impact`}>
              {t.quotas.importImpact(name)}
            </h3>
            {preview.data.problem_count > 0 ? (
              <Problems preview={preview.data} />
            ) : (
              <FileImpact preview={preview.data} />
            )}
          </section>
        )}
      </div>
    </Dialog>
  );
}

function changesOf({ added, changed, removed }: QuotaTablePreview): number {
  return added + changed + removed;
}

function Problems({ preview }: { readonly preview: QuotaTablePreview }) {
  const { problem_count, problems } = preview;
  return (
    <div className="alert alert-danger mb-0" role="alert">
      <strong>{t.quotas.importProblems(problem_count)}</strong>
      <Lines lines={problems} />
      {problem_count > problems.length && (
        <p className="mb-0">{t.notShown.problems(problem_count - problems.length)}</p>
      )}
    </div>
  );
}

/** The lines about users and groups that there are not. They do not prevent an import. */
function Warnings({ preview }: { readonly preview: QuotaTablePreview }) {
  const { warning_count, warnings } = preview;
  if (warning_count === 0) return null;
  return (
    <div className="alert alert-warning" role="status">
      <strong>{t.quotas.importWarnings(warning_count)}</strong>
      <Lines lines={warnings} />
      {warning_count > warnings.length && (
        <p className="mb-0">{t.notShown.warnings(warning_count - warnings.length)}</p>
      )}
    </div>
  );
}

function Lines({ lines }: { readonly lines: QuotaTablePreview['problems'] }) {
  return (
    <ul className="mt-1 mb-0 ps-3">
      {lines.map(({ line, message }) => (
        <li key={`${line}/${message}`} className="text-break">
          {line !== null && <strong>{t.quotas.importLine(line)} </strong>}
          {message}
        </li>
      ))}
    </ul>
  );
}

function FileImpact({ preview }: { readonly preview: QuotaTablePreview }) {
  const { changes, effect } = preview;
  const total = changesOf(preview);
  return (
    <>
      <Warnings preview={preview} />
      <dl className="gd-counts">
        {(['added', 'changed', 'removed', 'unchanged'] as const).map(name => (
          <div key={name}>
            <dt>{t.quotas.importCounts[name]}</dt>
            <dd>{whole(preview[name])}</dd>
          </div>
        ))}
      </dl>
      {total === 0 ? (
        <p className="alert alert-info mb-0" role="status">
          {t.quotas.importNothing}
        </p>
      ) : (
        <>
          <Impact preview={effect} />
          <details>
            <summary>{t.quotas.importDetails}</summary>
            <ul className="list-group mt-2">
              {changes.map(({ level, name, before, after }) => (
                <li key={`${level}/${name}`} className="list-group-item">
                  <Changes level={level} name={name} before={before} after={after} />
                </li>
              ))}
            </ul>
            {total > changes.length && (
              <p className="mt-2 mb-0">{t.notShown.changes(total - changes.length)}</p>
            )}
          </details>
        </>
      )}
    </>
  );
}
