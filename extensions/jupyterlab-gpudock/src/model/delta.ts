import type { IDeltaFrame, IGPU, ISnapshotFrame } from './contract';

/**
 * Return the snapshot with a delta applied, or null if the delta has another base.
 * GPUs without changes stay the same objects, so that they are not rendered again.
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
  const { sequence, time } = delta;
  return { ...snapshot, sequence, time, age_s: 0, stale: false, gpus };
}
