/** Takes limits from a CSV file; the desk checks all lines before it changes anything. */
import { useId, useRef, useState } from 'react';
import { sentence } from '../../api/client';
import { useImportQuotas } from '../../api/queries';
import { Actions, Dialog } from '../../components/Dialog';
import { useSay } from '../../components/Toasts';
import { t } from '../../strings';

export function ImportDialog({ onClose }: { readonly onClose: () => void }) {
  const id = useId();
  const say = useSay();
  const load = useImportQuotas();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  // A file that is mended and chosen again is news to the browser only if the field was emptied.
  const startOver = (message: string) => {
    setProblem(message);
    setFile(null);
    if (input.current) input.current.value = '';
  };
  const submit = async () => {
    if (file === null) {
      setProblem(t.quotas.importEmpty);
      return;
    }
    setProblem(null);
    const content = await file.arrayBuffer().catch(() => null);
    if (content === null) {
      startOver(t.quotas.importUnreadable);
      return;
    }
    load.mutate(new Blob([content]), {
      onSuccess: ({ changed }) => {
        say(t.quotas.imported(changed));
        onClose();
      },
      onError: error => startOver(sentence(error))
    });
  };
  return (
    <Dialog
      title={t.quotas.importTitle}
      onClose={onClose}
      footer={
        <Actions
          label={load.isPending ? t.working : t.quotas.importAction}
          disabled={load.isPending}
          onAct={() => void submit()}
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
        type="file"
        accept=".csv,text/csv"
        className="form-control"
        onChange={event => {
          setFile(event.target.files?.[0] ?? null);
          setProblem(null);
        }}
      />
      {problem && (
        <pre className="alert alert-danger mt-3 mb-0 gd-wrap" role="alert">
          {problem}
        </pre>
      )}
    </Dialog>
  );
}
