import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

/** Something processOwner present view can be had, and that tells when it is another one. */
export interface IObservable<V> {
  readonly view: V;
  /** Emitted whenever `view` is another object. */
  readonly changed: ISignal<IObservable<V>, void>;
}

/** Holds a view, and tells of each change. */
export class Store<V extends object> implements IObservable<V>, IDisposable {
  constructor(private current: V) {}

  get view(): V {
    return this.current;
  }

  get changed(): ISignal<IObservable<V>, void> {
    return this.hasChanged;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    this.disposed = true;
    Signal.clearData(this);
  }

  protected update(change: Partial<V>): void {
    if (!this.disposed) {
      this.current = { ...this.current, ...change };
      this.hasChanged.emit();
    }
  }

  private readonly hasChanged = new Signal<IObservable<V>, void>(this);
  private disposed = false;
}
