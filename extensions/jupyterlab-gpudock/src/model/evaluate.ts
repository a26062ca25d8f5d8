import type { Kernel, KernelMessage } from '@jupyterlab/services';

const NAME = 'gpudock';
const MAX_WAIT_MS = 5000;

/** The kernel has said nothing, or nothing of use: there are no words of its own to show. */
export class NoReply extends Error {}

/**
 * Have a Python kernel evaluate an expression, unseen by its user: no output, no history.
 *
 * @param expression - one that the server gave, processOwner value is a JSON document
 * @returns the document
 * @throws Error if the kernel does not answer in time, dies, or answers with an error
 */
export async function ask(
  kernel: Kernel.IKernelConnection,
  expression: string,
  longestWaitMs = MAX_WAIT_MS
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
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new NoReply('The kernel did not answer in time.')),
      longestWaitMs
    );
  });
  try {
    return documentOf(await Promise.race([future.done, tooLate]));
  } finally {
    clearTimeout(timer);
    future.dispose();
  }
}

function documentOf(reply: KernelMessage.IExecuteReplyMsg): unknown {
  const { content } = reply;
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
