import type {
  ICheck,
  IFinding,
  IGPU,
  IKernelEnd,
  IKernelEnvironment,
  IKernelState,
  ILease,
  ILimits,
  IProcess,
  ISnapshotFrame,
  IStack
} from '../model/contract';

/** A healthy A100, with changes. */
export function gpu(changes: Partial<IGPU> = {}): IGPU {
  return {
    uuid: 'GPU-1',
    index: '0',
    name: 'NVIDIA A100-SXM4-40GB',
    mig_profile: null,
    compute_capability: '8.0',
    state: 'ok',
    detail: '',
    utilization_percent: 42,
    memory_used_mib: 31744,
    memory_total_mib: 40960,
    temperature_c: 64,
    temperature_slowdown_c: 92,
    power_w: 283.4,
    power_limit_w: 400,
    sm_clock_mhz: 1305,
    sm_clock_max_mhz: 1410,
    memory_clock_mhz: 1215,
    memory_clock_max_mhz: 1215,
    throttle: [],
    pcie: { generation: 4, generation_max: 4, width: 16, width_max: 16 },
    nvlinks: null,
    ecc_corrected: 0,
    ecc_uncorrected: 0,
    health: [],
    processes: [],
    ...changes
  };
}

/** A snapshot of one healthy GPU, with changes. */
export function snapshot(changes: Partial<ISnapshotFrame> = {}): ISnapshotFrame {
  return {
    type: 'snapshot',
    sequence: 1,
    time: 1000,
    interval_s: 1,
    age_s: 0,
    stale: false,
    state: 'ok',
    detail: '',
    driver: '550.54.15',
    driver_cuda: '12.4',
    gpus: [gpu()],
    ...changes
  };
}

/** A stack with the given verdict. */
export function stack(
  code = 'usable',
  usable = true,
  parameters: Record<string, string> = {},
  others: IFinding[] = []
): IStack {
  const level = usable ? 'ok' : 'error';
  const decisive: IFinding = { code, level, parameters, message: '', source: null };
  return {
    kernel: 'python3',
    kernel_display_name: 'Python 3',
    driver: '550.54.15',
    driver_cuda: '12.4',
    compute_capabilities: ['8.0'],
    environment: {
      executable: '/usr/bin/python3',
      cudnn_built: '9.1.0',
      nccl: '2.21.5',
      archs: ['sm_80', 'sm_90'],
      python: '3.13.1',
      torch: '2.6.0+cu124',
      torch_cuda: '12.4',
      cudnn: '9.1.0',
      cuda_available: usable,
      problem: null,
      detail: ''
    },
    verdict: { usable, code, parameters, findings: [decisive, ...others] }
  };
}

/** A kernel of the server, with changes. */
export function environment(changes: Partial<IKernelEnvironment> = {}): IKernelEnvironment {
  return {
    kernel: 'python3',
    display_name: 'Python 3',
    language: 'python',
    executable: '/usr/bin/python3',
    known: true,
    ...changes
  };
}

/** A process of a notebook's kernel, with changes. */
export function process(changes: Partial<IProcess> = {}): IProcess {
  return {
    pid: 4711,
    kind: 'compute',
    memory_mib: 2048,
    name: 'python3',
    certainty: 'certain',
    reason: 'same_pid',
    owner: {
      kind: 'kernel',
      kernel_id: 'kernel-1',
      kernel_name: 'python3',
      session_type: 'notebook',
      path: 'work/train.ipynb',
      title: 'train.ipynb'
    },
    ...changes
  };
}

/** The state of a kernel that uses a GPU, with changes. */
export function kernelState(changes: Partial<IKernelState> = {}): IKernelState {
  return {
    torch_loaded: true,
    torch: '2.6.0',
    cuda_initialized: true,
    cudnn_available: true,
    cudnn_enabled: true,
    cudnn_version: '9.1.0',
    benchmark: false,
    deterministic: false,
    tf32_matmul: false,
    tf32_cudnn: true,
    fp32_precision_matmul: null,
    fp32_precision_cudnn: null,
    autocast: null,
    autocast_dtype: null,
    devices: [
      {
        index: 0,
        uuid: 'GPU-1',
        name: 'A100',
        allocated_mib: 512,
        reserved_mib: 2048,
        peak_allocated_mib: 1024,
        peak_reserved_mib: 4096
      }
    ],
    errors: [],
    ...changes
  };
}

/** A lease with two hours left, with changes. */
export function lease(changes: Partial<ILease> = {}): ILease {
  const now = Date.now() / 1000;
  return {
    managed: true,
    lease: 'lease-7',
    state: 'ok',
    message: '',
    fetched_at: now,
    now,
    gpus: ['GPU-1'],
    ends_at: now + 7200,
    ends_because: 'time',
    why: '',
    can_extend: true,
    extendable_until: null,
    idle: { limit_minutes: null, since: null, ends_at: null },
    quota: {
      gpu_hours_limit: 40,
      gpu_hours_used: 27.5,
      gpu_hours_left: 12.5,
      window_days: 7
    },
    queue_length: 3,
    hub_home: '/hub/home',
    desk: '/services/gpudock/',
    can_restart: true,
    restart_page: '/hub/spawn/ada?opt-again=1',
    ...changes
  };
}

/** The lease of a server without a hub, with changes. */
export function unmanaged(changes: Partial<ILease> = {}): ILease {
  return lease({
    managed: false,
    lease: null,
    state: 'unmanaged',
    ends_at: null,
    ends_because: null,
    can_extend: false,
    hub_home: null,
    desk: null,
    can_restart: false,
    restart_page: null,
    ...changes
  });
}

/** A check that has succeeded, with changes. */
export function check(changes: Partial<ICheck> = {}): ICheck {
  return {
    id: 'check-1',
    gpu: 'GPU-1',
    gpu_name: 'A100',
    kernel: 'python3',
    state: 'done',
    code: null,
    parameters: {},
    message: '',
    started_at: 100,
    ended_at: 110,
    progress: 1,
    steps: [
      {
        name: 'cudnn',
        state: 'done',
        ratio: 3.42,
        values: { on_ms: 1.5, off_ms: 5.13 },
        code: null,
        detail: ''
      }
    ],
    ...changes
  };
}

/** The limits of a server that has reached none, with changes. */
export function limits(changes: Partial<ILimits> = {}): ILimits {
  return {
    memory_mib: { limit: 32768, used: 12288 },
    memory_kills: 0,
    host_memory_mib: { limit: 131072, used: 65536 },
    shm_mib: { limit: 8192, used: 1024 },
    open_files: { limit: 1024, used: 60 },
    processes: { limit: 4096, used: 120 },
    cpus: 4,
    threads: 4,
    ...changes
  };
}

/** The end of a kernel that was killed because memory ran out, with changes. */
export function kernelEnd(changes: Partial<IKernelEnd> = {}): IKernelEnd {
  return {
    kernel_id: 'k-1',
    ended_at: 100,
    cause: 'memory',
    signal: 'SIGKILL',
    exit_code: null,
    limits: limits(),
    ...changes
  };
}
