import { APIError, type IAPI } from './api';
import type { ICheck } from './contract';
import { Store } from './store';
import type { IGPUModel } from './tokens';

/** Why a check was not started. */
export interface ICheckError {
  /** The GPU's UUID. */
  readonly gpu: string;
  /** The server's error code; empty if there was no such response. */
  readonly code: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The checks of this server's GPUs. */
export interface IChecksView {
  /** The newest check of each GPU, by the GPU's UUID. */
  readonly byGPU: ReadonlyMap<string, ICheck>;
  /** Why the last requested check was not started; null if it was. */
  readonly error: ICheckError | null;
  readonly starting: boolean;
}

/** Runs checks and follows their progress. */
export class Checks extends Store<IChecksView> {
  constructor(
    private readonly api: Pick<IAPI, 'checks' | 'startCheck' | 'cancelCheck'>,
    gpus: IGPUModel
  ) {
    super({ byGPU: new Map(), error: null, starting: false });
    gpus.checkChanged.connect((_sender, check) => this.accept(check));
  }

  /** Load the checks that were run before this page was opened. */
  async load(): Promise<void> {
    try {
      const { checks } = await this.api.checks();
      // The server lists the newest first.
      checks.reverse().forEach(check => this.accept(check));
    } catch {
      // The stream reports connection problems.
    }
  }

  /** Run a check of a GPU in the environment of a kernel. */
  async run(gpu: string, kernel: string): Promise<void> {
    if (this.view.starting) {
      return;
    }
    this.update({ starting: true, error: null });
    try {
      this.accept(await this.api.startCheck(gpu, kernel));
    } catch (error) {
      this.update({
        error:
          error instanceof APIError
            ? { gpu, code: error.code, parameters: error.parameters }
            : { gpu, code: '', parameters: { detail: String(error) } }
      });
    } finally {
      this.update({ starting: false });
    }
  }

  /** Cancel a running check. */
  async cancel(check: ICheck): Promise<void> {
    try {
      await this.api.cancelCheck(check.id);
    } catch {
      // The check ended in the meantime.
    }
    await this.load();
  }

  private accept(check: ICheck): void {
    const { byGPU, error } = this.view;
    const known = byGPU.get(check.gpu);
    if (!known || isNewer(check, known)) {
      this.update({
        byGPU: new Map(byGPU).set(check.gpu, check),
        // What is newer than the error is what the user wants to see.
        error: error?.gpu === check.gpu ? null : error
      });
    }
  }
}

/** Responses and frames can arrive out of order: a check never goes back to an earlier state. */
function isNewer(check: ICheck, known: ICheck): boolean {
  if (check.id !== known.id) {
    return check.started_at >= known.started_at;
  }
  if (known.state !== 'running' || check.state !== 'running') {
    return known.state === 'running';
  }
  return (check.revision ?? 0) >= (known.revision ?? 0) && check.progress >= known.progress;
}
