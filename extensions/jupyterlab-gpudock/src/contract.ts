/*
 * The documents that the server sends, as its `contract.py` describes them. Times are seconds since
 * 1970 (UTC), durations are seconds, memory is MiB.
 */

/** Why a number is not there: never reported, not readable this time, or dropped as impossible. */
export type Missing = 'not_supported' | 'not_available' | 'nonsense';

/** A number in the unit that its field names, or the reason why there is none. */
export type Metric = number | Missing;

/** How all GPUs of the server, or a single one, fare. */
export type GPUState =
  'ok' | 'no_driver' | 'no_gpu' | 'version_mismatch' | 'lost' | 'hanging' | 'failed';

/** Whose process it is, in this Jupyter server. */
export interface IOwner {
  kind: 'kernel' | 'terminal' | 'server';
  kernel_id?: string;
  kernel_name?: string;
  terminal?: string;
  session_type?: string;
  path?: string;
  title?: string;
}

/** One process that holds memory of a GPU. */
export interface IProcess {
  /** As NVML tells it; in a container that is the host's number. */
  pid: number;
  kind: 'compute' | 'graphics' | 'mps';
  memory_mib: Metric;
  name: string | null;
  certainty: 'certain' | 'probable' | 'unknown';
  reason: 'same_pid' | 'only_candidate' | 'foreign' | 'hidden' | 'ambiguous' | 'vanished';
  owner: IOwner | null;
}

/** One device or MIG slice. */
export interface IGPU {
  uuid: string;
  index: string;
  name: string;
  mig_profile: string | null;
  compute_capability: string | null;
  state: GPUState;
  detail: string;
  utilization_percent: Metric;
  memory_used_mib: Metric;
  memory_total_mib: Metric;
  temperature_c: Metric;
  temperature_slowdown_c: Metric;
  power_w: Metric;
  power_limit_w: Metric;
  sm_clock_mhz: Metric;
  sm_clock_max_mhz: Metric;
  memory_clock_mhz: Metric;
  memory_clock_max_mhz: Metric;
  throttle: string[] | Missing;
  pcie: {
    generation: number | null;
    generation_max: number | null;
    width: number | null;
    width_max: number | null;
  } | null;
  nvlinks: number | null;
  ecc_corrected: Metric;
  ecc_uncorrected: Metric;
  health: string[];
  processes: IProcess[] | Missing;
}

/** All GPUs at one moment. */
export interface ISnapshot {
  type: 'snapshot';
  sequence: number;
  time: number;
  interval_s: number;
  age_s: number;
  stale: boolean;
  state: GPUState;
  detail: string;
  driver: string | null;
  driver_cuda: string | null;
  gpus: IGPU[];
}

/** What changed since the frame `base`. */
export interface IDelta {
  type: 'delta';
  sequence: number;
  base: number;
  time: number;
  /** By field: one entry for each GPU in the snapshot's order, null where nothing changed. */
  columns: Record<string, (Metric | string[] | null)[]>;
  /** By place in the snapshot's order: the whole new list. */
  processes?: Record<string, IProcess[]>;
}

/** One measurement of a check. */
export interface ICheckStep {
  name: 'cudnn' | 'fp16' | 'bf16' | 'tf32' | 'bandwidth';
  state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed';
  /** How many times faster the one is than the other. */
  ratio: number | null;
  /** What was measured, in the unit that the key ends in: `_ms`, `_gb_s`. */
  values: Record<string, number>;
  /** Why it was skipped or failed; `error` for words of torch's own, which are in `detail`. */
  code: string | null;
  detail: string;
}

/** One check, from its beginning to what it found. */
export interface ICheck {
  id: string;
  gpu: string;
  gpu_name: string;
  kernel: string;
  state: 'running' | 'done' | 'failed' | 'cancelled' | 'refused';
  code: string | null;
  /** What the words for the code tell. */
  parameters: Record<string, string>;
  message: string;
  started_at: number;
  ended_at: number | null;
  /** From 0 to 1. */
  progress: number;
  steps: ICheckStep[];
}

/** What the stream carries. */
export type Frame =
  | ISnapshot
  | IDelta
  | { type: 'stale'; age_s: number }
  | { type: 'waiting' }
  | { type: 'check'; check: ICheck }
  | { type: 'error'; code: string; message: string };

/** The last minutes, in columns; null where a GPU was not read. */
export interface IHistory {
  times: number[];
  gpus: Record<string, Partial<Record<string, (number | null)[]>>>;
}

/** One remark of the verdict. */
export interface IFinding {
  code: string;
  level: 'ok' | 'note' | 'warning' | 'error';
  parameters: Record<string, string>;
  /** English, for a code that this front end does not know. */
  message: string;
  /** An address where the rule behind it is documented. */
  source: string | null;
}

/** Versions from driver to cuDNN for one kernel, and the verdict. */
export interface IStack {
  kernel: string;
  kernel_display_name: string;
  driver: string | null;
  driver_cuda: string | null;
  compute_capabilities: string[];
  environment: {
    python: string | null;
    executable: string | null;
    torch: string | null;
    torch_cuda: string | null;
    cudnn: string | null;
    cudnn_built: string | null;
    nccl: string | null;
    archs: string[];
    cuda_available: boolean;
    problem: string | null;
    detail: string;
  };
  verdict: {
    usable: boolean;
    code: string;
    parameters: Record<string, string>;
    /** The decisive one first. */
    findings: IFinding[];
  };
}

/** The kernels of the server. */
export interface IEnvironments {
  default: string;
  environments: { kernel: string; display_name: string; language: string }[];
}

/** Expressions for a running Python kernel. */
export interface ISnippets {
  state: string;
  release: string;
}

/** What torch holds of one device, from inside a kernel. */
export interface IKernelMemory {
  index: number;
  uuid: string | null;
  name: string | null;
  allocated_mib: number;
  reserved_mib: number;
  peak_allocated_mib: number;
  peak_reserved_mib: number;
}

/** The live state of a kernel. */
export interface IKernelState {
  torch_loaded: boolean;
  torch: string | null;
  cuda_initialized: boolean | null;
  cudnn_available: boolean | null;
  cudnn_enabled: boolean | null;
  cudnn_version: string | null;
  benchmark: boolean | null;
  deterministic: boolean | null;
  tf32_matmul: boolean | null;
  tf32_cudnn: boolean | null;
  fp32_precision_matmul: string | null;
  fp32_precision_cudnn: string | null;
  autocast: boolean | null;
  autocast_dtype: string | null;
  devices: IKernelMemory[];
  errors: string[];
}

/** What releasing the cached memory of a kernel did. */
export interface IRelease {
  done: boolean;
  reason: 'released' | 'torch_not_loaded' | 'cuda_not_used' | 'failed';
  before: IKernelMemory[];
  after: IKernelMemory[];
  freed_mib: number;
  errors: string[];
}

/** Where the server's GPUs come from, and how long they stay. */
export interface ILease {
  managed: boolean;
  lease: string | null;
  state: 'unmanaged' | 'no_lease' | 'ok' | 'stale' | 'unreachable' | 'refused';
  message: string;
  fetched_at: number | null;
  /** The server's clock, which the times below are of. */
  now: number;
  gpus: string[];
  ends_at: number | null;
  ends_because: 'time' | 'hours' | 'group_hours' | 'idle' | null;
  why: string;
  can_extend: boolean;
  extendable_until: number | null;
  idle: { limit_minutes: number | null; since: number | null; ends_at: number | null };
  quota: {
    gpu_hours_limit: number | null;
    gpu_hours_used: number | null;
    gpu_hours_left: number | null;
    window_days: number | null;
  };
  queue_length: number | null;
  hub_home: string | null;
  desk: string | null;
  can_restart: boolean;
  /** The Hub's page that starts this server again, as soon as it has ended. */
  restart_page: string | null;
}

/** What happens when the server is restarted. */
export interface IRestart {
  restarting: boolean;
  code: string | null;
  hub_home: string | null;
  message: string;
}
