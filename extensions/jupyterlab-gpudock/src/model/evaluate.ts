import type { Kernel, KernelMessage } from '@jupyterlab/services';

const NAME = 'gpudock';
const MAX_WAIT_MS = 5000;

/** The kernel gave no usable reply, and no error of its own. */
export class NoReply extends Error {}

/**
 * Evaluate an expression in a Python kernel without output and without a trace in its history.
 *
 * @param expression - an expression from the server whose value is a JSON document
 * @returns the document
 * @throws Error if the kernel does not reply in time, dies, or replies with an error
 */
export async function evaluate(
  kernel: Kernel.IKernelConnection,
  expression: string
): Promise<unknown> {
  const future = kernel.requestExecute(
    {
      code: '',
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
      user_expressions: { [NAME]: expression }
    },
    true
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NoReply('The kernel did not reply in time.')), MAX_WAIT_MS);
  });
  try {
    return documentFrom(await Promise.race([future.done, timeout]));
  } finally {
    clearTimeout(timer);
    future.dispose();
  }
}

function documentFrom({ content }: KernelMessage.IExecuteReplyMsg): unknown {
  if (content.status !== 'ok') {
    throw new Error('evalue' in content ? content.evalue : content.status);
  }
  const value = content.user_expressions[NAME] as
    { status: string; evalue?: string; data?: Record<string, string> } | undefined;
  if (value?.status !== 'ok') {
    throw value?.evalue ? new Error(value.evalue) : new NoReply('It evaluates no expressions.');
  }
  return JSON.parse(value.data?.['text/plain'] ?? '');
}
