import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

/** Something with a current view that signals each change of it. */
export interface IObservable<V> {
  readonly view: V;
  /** Emitted when `view` has been replaced by another object. */
  readonly changed: ISignal<IObservable<V>, void>;
}

/** Holds an immutable view and signals each change. */
export class Store<V extends object> implements IObservable<V>, IDisposable {
  constructor(private current: V) {}

  get view(): V {
    return this.current;
  }

  get changed(): ISignal<IObservable<V>, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  protected update(change: Partial<V>): void {
    if (!this._isDisposed) {
      this.current = { ...this.current, ...change };
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<IObservable<V>, void>(this);
  private _isDisposed = false;
}
