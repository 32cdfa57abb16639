/**
 * Tracking on and off in a notebook's kernel.
 *
 * The magics are run silently: no prompt number is used up, nothing comes into the history or the notebook. That
 * nothing went wrong is read from an expression evaluated after them, since a silent execution reports little.
 */

import type { Kernel, KernelMessage } from '@jupyterlab/services';

/** `auto`: every cell is tracked. `marked`: cells marked %%track are. `off`: none. `absent`: nbops isn't loaded. */
export type Tracking = 'auto' | 'marked' | 'off' | 'absent';

const STATE =
  "(lambda h: 'absent' if h is None else 'off' if h.off else 'auto' if h.auto else 'marked')" +
  "(getattr(getattr(get_ipython(), '_nbops', None), 'hooks', None))";
const LOAD =
  "get_ipython().run_line_magic('load_ext', 'nbops') if getattr(get_ipython(), '_nbops', None) is None else None";

/** How cells are tracked in this kernel; null: it couldn't be asked. */
export async function tracking(kernel: Kernel.IKernelConnection): Promise<Tracking | null> {
  return state(await run(kernel, '', { state: STATE }));
}

/** Track every cell, or only those marked; the extension is loaded first where it isn't. */
export async function setTracking(kernel: Kernel.IKernelConnection, on: boolean): Promise<Tracking | null> {
  const code = `${LOAD}\nget_ipython().run_line_magic('nbops', 'auto ${on ? 'on' : 'off'}')`;
  const reply = await run(kernel, code, { state: STATE });
  if (reply.status === 'error') {
    throw new Error(`${reply.ename}: ${reply.evalue}`);
  }
  return state(reply);
}

async function run(
  kernel: Kernel.IKernelConnection,
  code: string,
  expressions: { [name: string]: string }
): Promise<KernelMessage.IExecuteReplyMsg['content']> {
  const future = kernel.requestExecute(
    {
      code: `${code}\npass`,
      silent: true,
      store_history: false,
      user_expressions: expressions,
      allow_stdin: false
    },
    true
  );
  return (await future.done).content;
}

function state(reply: KernelMessage.IExecuteReplyMsg['content']): Tracking | null {
  if (reply.status !== 'ok') {
    return null;
  }
  const answer = reply.user_expressions.state as { data?: { 'text/plain'?: string } } | undefined;
  const text = answer?.data?.['text/plain']?.replace(/'/g, '') ?? '';
  return (['auto', 'marked', 'off', 'absent'] as const).find(t => t === text) ?? null;
}
