/** The GPUs, sessions and queue of the fake lab. */
import type { GPU, Session, WaitingRequest } from '../api/types';

const HOUR = 3600;
const DAY = 24 * HOUR;

export function makeGPUs(now: number): GPU[] {
  const make = (host: string, index: number, model: string, memory_mib: number): GPU => ({
    uuid: `GPU-${host.length}${index}a7c0b1-91d2-4c33-8d2e-5f1e0c9b7a6${index}`,
    index,
    host,
    model,
    memory_mib,
    parent_uuid: null,
    mig_profile: null,
    simulated: false,
    state: 'free',
    reason: null,
    in_service: true,
    reported: true,
    slots: 1,
    leases: [],
    telemetry: null,
    taken_at: null
  });
  const held = (gpu: GPU, user: string, idle: number | null = null): GPU => ({
    ...gpu,
    state: 'leased',
    leases: [{ id: `lease-${user}-${gpu.index}`, user, slot: 0, idle_since: idle }]
  });
  const big = (index: number) => make('gpu-node-1', index, 'NVIDIA A100-SXM4-80GB', 81920);
  const small = (index: number) => make('workstation', index, 'NVIDIA GeForce RTX 4090', 24564);
  return [
    held(big(0), 'ada'),
    held(big(1), 'ada'),
    held(big(2), 'grace', now - 47 * 60),
    big(3),
    {
      ...held(big(4), 'linus'),
      state: 'draining',
      in_service: false,
      reason: 'An administrator is draining it.'
    },
    {
      ...big(5),
      state: 'quarantined',
      in_service: false,
      reason: 'A process outside the lab is using it (PID 4711, python3).'
    },
    {
      ...big(6),
      state: 'lost',
      in_service: false,
      reason: 'The driver reports that it has fallen off the bus.'
    },
    big(7),
    small(0),
    {
      ...small(1),
      slots: 4,
      leases: [
        { id: 'lease-s1', user: 'margaret', slot: 0, idle_since: null },
        { id: 'lease-s2', user: 'user0003', slot: 2, idle_since: now - 600 }
      ],
      state: 'leased'
    }
  ];
}

export function makeSessions(now: number, user: string): Session[] {
  const base = {
    user,
    image: 'PyTorch',
    share: 'exclusive' as const,
    slot: 0,
    slots: 1,
    state: 'active' as const,
    ends_because: 'time' as const,
    why: 'It ends at its time limit.',
    warning_at: null,
    can_extend: true,
    idle_since: null,
    ended_at: null,
    end_reason: null,
    end_text: null
  };
  const [first, second, ...rest] = makeGPUs(now).map(gpu => gpu.uuid);
  return [
    {
      ...base,
      id: 'lease-1',
      server: '',
      gpus: [first ?? '', second ?? ''],
      granted_at: now - 3 * HOUR,
      ends_at: now + 5 * HOUR + 120,
      extendable_until: now + 9 * HOUR
    },
    {
      ...base,
      id: 'lease-2',
      server: 'sweep',
      gpus: [rest[6] ?? ''],
      granted_at: now - 11.8 * HOUR,
      ends_at: now + 11 * 60,
      extendable_until: null,
      can_extend: false,
      idle_since: now - 19 * 60
    }
  ];
}

export function makePast(now: number, user: string): Session[] {
  return Array.from({ length: 23 }, (_, index) => ({
    id: `past-${index}`,
    user,
    server: index % 4 === 0 ? 'sweep' : '',
    image: 'PyTorch',
    gpus: ['GPU-1'],
    share: 'exclusive' as const,
    slot: 0,
    slots: 1,
    state: 'ended' as const,
    granted_at: now - (index + 1) * DAY,
    ends_at: null,
    ends_because: null,
    why: '',
    warning_at: null,
    can_extend: false,
    extendable_until: null,
    idle_since: null,
    ended_at: now - (index + 1) * DAY + 5 * HOUR,
    end_reason: index % 3 === 0 ? 'its time was up' : 'its user released it',
    end_text: index % 3 === 0 ? '12 h limit reached' : 'Stopped by you'
  }));
}

export function makeQueue(now: number, user: string): WaitingRequest[] {
  const entry = (id: string, name: string, position: number, gpus: number): WaitingRequest => ({
    id,
    user: name,
    server: name === user ? 'big' : '',
    gpus,
    gpu_model: position === 1 ? '*A100*' : null,
    share: 'exclusive',
    created_at: now - position * 900,
    position,
    length: 3,
    reason:
      position === 1
        ? 'It is waiting for 4 free GPUs of the model "*A100*" on one host. 2 are free.'
        : 'All matching GPUs are in use or reserved for earlier requests.',
    expected_start: position === 3 ? null : now + position * HOUR,
    latest_start: position === 3 ? null : now + (position === 1 ? 1 : 24 + position) * HOUR
  });
  return [entry('r1', 'margaret', 1, 4), entry('r2', user, 2, 2), entry('r3', 'user0009', 3, 1)];
}
