import { APIError, type IAPI } from './api';
import type { ICheck } from './contract';
import { Store } from './store';
import type { IGPUModel } from './tokens';

/** Why something was not done. */
export interface ICheckError {
  /** The case, for those that are known; empty for others. */
  readonly code: string;
  /** What the words for the code tell. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** The checks of this server's GPUs. */
export interface IChecksView {
  /** The newest check of each GPU, by the GPU's UUID. */
  readonly byGPU: ReadonlyMap<string, ICheck>;
  /** Why the last one that was asked for did not begin; null if it did. */
  readonly refusal: ICheckError | null;
  readonly starting: boolean;
}

/** Runs checks, and follows them as the server tells of them. */
export class Checks extends Store<IChecksView> {
  constructor(
    private readonly api: Pick<IAPI, 'checks' | 'startCheck' | 'cancelCheck'>,
    gpus: IGPUModel
  ) {
    super({ byGPU: new Map(), refusal: null, starting: false });
    gpus.checkChanged.connect((_sender, check) => this.take(check));
  }

  /** Ask for the checks that were run before this page was there. */
  async load(): Promise<void> {
    try {
      const { checks } = await this.api.checks();
      // The newest comes first, and is to be the last that is taken.
      [...checks].reverse().forEach(check => this.take(check));
    } catch {
      // What keeps the server away is told by the stream.
    }
  }

  /** Run a check of a GPU in the environment of a kernel. */
  async run(gpu: string, kernel: string): Promise<void> {
    if (this.view.starting) {
      return;
    }
    this.update({ starting: true, refusal: null });
    try {
      this.take(await this.api.startCheck(gpu, kernel));
    } catch (error) {
      this.update({
        refusal:
          error instanceof APIError
            ? { code: error.code, parameters: error.parameters }
            : { code: '', parameters: { detail: String(error) } }
      });
    } finally {
      this.update({ starting: false });
    }
  }

  /** End a check. */
  async cancel(check: ICheck): Promise<void> {
    try {
      await this.api.cancelCheck(check.id);
    } catch {
      // It has ended by itself in the meantime, and the server tells how.
    }
    await this.load();
  }

  private take(check: ICheck): void {
    const present = this.view.byGPU.get(check.gpu);
    if (!present || isNewer(check, present)) {
      this.update({ byGPU: new Map(this.view.byGPU).set(check.gpu, check) });
    }
  }
}

/** Answers and frames overtake each other: what has ended does not run again. */
function isNewer(check: ICheck, present: ICheck): boolean {
  if (check.id !== present.id) {
    return check.started_at >= present.started_at;
  }
  return (
    check.state !== 'running' || (present.state === 'running' && check.progress >= present.progress)
  );
}
