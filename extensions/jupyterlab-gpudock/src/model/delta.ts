import type { IDeltaFrame, IGPU, ISnapshotFrame } from './contract';

/**
 * The snapshot with a delta laid over it, or null if the delta is not meant for it.
 * What did not change stays the same object, so that nothing is drawn anew for it.
 */
export function applyDelta(snapshot: ISnapshotFrame, delta: IDeltaFrame): ISnapshotFrame | null {
  if (snapshot.sequence !== delta.base) {
    return null;
  }
  const gpus = snapshot.gpus.map((gpu, place): IGPU => {
    const changes: Record<string, unknown> = {};
    for (const [field, column] of Object.entries(delta.columns)) {
      const value = column[place] ?? null;
      if (value !== null) {
        changes[field] = value;
      }
    }
    const processes = delta.processes?.[String(place)];
    if (processes) {
      changes['processes'] = processes;
    }
    return Object.keys(changes).length > 0 ? { ...gpu, ...changes } : gpu;
  });
  return {
    ...snapshot,
    sequence: delta.sequence,
    time: delta.time,
    age_s: 0,
    stale: false,
    gpus
  };
}
