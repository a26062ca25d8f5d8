// Generated from jupyterlab_gpudock/contract.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.

/**
 * In a number's place: the GPU never reports it; it could not be read this time; what was read made
 * no sense and was dropped.
 */
export type Missing = 'not_supported' | 'not_available' | 'nonsense';

export type Metric = number | Missing;

/** `hanging`: its calls do not return; the other GPUs are read on without it. */
export type GPUState =
  | 'ok'
  | 'no_driver'
  | 'no_gpu'
  | 'version_mismatch'
  | 'lost'
  | 'hanging'
  | 'failed';

/** Why the clocks are not at their highest; `gpu_idle` and `applications_clocks` are no harm. */
export type ThrottleReason =
  | 'gpu_idle'
  | 'applications_clocks'
  | 'sw_power_cap'
  | 'hw_slowdown'
  | 'sync_boost'
  | 'sw_thermal'
  | 'hw_thermal'
  | 'hw_power_brake'
  | 'display_clocks';

/**
 * `ecc_uncorrected`: uncorrectable memory errors since the driver was loaded; `remap_pending`,
 * `retirement_pending`: bad memory is replaced at the next reset; `remap_failed`: it cannot be.
 */
export type HealthNote =
  | 'ecc_uncorrected'
  | 'remap_pending'
  | 'remap_failed'
  | 'retirement_pending';

/** Whose process it is, in this Jupyter server. */
export interface IOwner {
  /** `server`: a process of this server that is neither kernel nor terminal. */
  kind: 'kernel' | 'terminal' | 'server';
  kernel_id?: string;
  kernel_name?: string;
  /** The terminal's name, as in `/api/terminals`. */
  terminal?: string;
  /** `notebook`, `console` or `file`; left out for a kernel without a session. */
  session_type?: string;
  /** The notebook's or console's path. */
  path?: string;
  /** What to show: the path's last part, or the session's name. */
  title?: string;
}

/** One process that holds memory of a GPU. */
export interface IProcess {
  /** As NVML tells it. In a container that is the host's number, of no use inside. */
  pid: number;
  /** `mps`: it computes through NVIDIA's Multi-Process Service. */
  kind: 'compute' | 'graphics' | 'mps';
  memory_mib: Metric;
  /** Its command's name; null when it cannot be seen from here. */
  name: string | null;
  /** Whether `owner` is sure. `probable`: by elimination. `unknown`: `owner` is null. */
  certainty: 'certain' | 'probable' | 'unknown';
  /**
   * `foreign`: seen, and not of this server. `hidden`: NVML names a process of outside this
   * container, and none in it fits. `ambiguous`: several fit. `vanished`: it has just ended.
   */
  reason: 'same_pid' | 'only_candidate' | 'foreign' | 'hidden' | 'ambiguous' | 'vanished';
  owner: IOwner | null;
}

/** The bus that a GPU is on; null for what it does not tell. */
export interface IPCIe {
  generation: number | null;
  generation_max: number | null;
  width: number | null;
  width_max: number | null;
}

/** One device, or one MIG slice. What a delta can change is marked *. */
export interface IGPU {
  uuid: string;
  index: string;
  name: string;
  mig_profile: string | null;
  /** For example `8.0`. */
  compute_capability: string | null;
  state: GPUState;
  /** NVML's own words for a state other than ok. */
  detail: string;
  /** * */
  utilization_percent: Metric;
  /** * */
  memory_used_mib: Metric;
  memory_total_mib: Metric;
  /** * */
  temperature_c: Metric;
  temperature_slowdown_c: Metric;
  /** * */
  power_w: Metric;
  power_limit_w: Metric;
  /** * */
  sm_clock_mhz: Metric;
  sm_clock_max_mhz: Metric;
  /** * */
  memory_clock_mhz: Metric;
  memory_clock_max_mhz: Metric;
  /** * */
  throttle: ThrottleReason[] | Missing;
  pcie: IPCIe | null;
  /** NVLinks that are up; null where there are none to ask for. */
  nvlinks: number | null;
  ecc_corrected: Metric;
  ecc_uncorrected: Metric;
  health: HealthNote[];
  /** * */
  processes: IProcess[] | Missing;
}

/** Everything, at one moment. The first frame of a stream with readings is always one. */
export interface ISnapshotFrame {
  type: 'snapshot';
  sequence: number;
  time: number;
  /** The rate that is in force: the fastest that a client asked for, or else the setting. */
  interval_s: number;
  age_s: number;
  stale: boolean;
  state: GPUState;
  detail: string;
  driver: string | null;
  driver_cuda: string | null;
  gpus: IGPU[];
}

/** What changed since the frame `base`. A server sends it only to who got that frame. */
export interface IDeltaFrame {
  type: 'delta';
  sequence: number;
  /** The sequence of the frame, snapshot or delta, that this one is to be laid over. */
  base: number;
  time: number;
  /** By field: one entry for each GPU in the snapshot's order, null where nothing changed. */
  columns: Record<string, (Metric | string[] | null)[]>;
  /** By place in the snapshot's order (`"0"`): the whole new list. */
  processes?: Record<string, IProcess[]>;
}

/** No reading came for a while: NVML hangs. Numbers on the screen are old. */
export interface IStaleFrame {
  type: 'stale';
  age_s: number;
}

/** There was no reading yet. */
export interface IWaitingFrame {
  type: 'waiting';
}

/** What the client sent makes no sense, and was ignored. */
export interface IErrorFrame {
  type: 'error';
  code: 'bad_message';
  message: string;
}

/** A check began, went on or ended. Sent to all clients of the stream. */
export interface ICheckFrame {
  type: 'check';
  check: ICheck;
}

/** The one thing that a client may send: how often it wants readings; null is «as set». */
export interface IRateMessage {
  type: 'rate';
  interval_s: number | null;
}

export type Frame =
  | ISnapshotFrame
  | IDeltaFrame
  | IStaleFrame
  | IWaitingFrame
  | IErrorFrame
  | ICheckFrame;

/** One GPU's past; null where it was not read. */
export interface IHistoryColumns {
  utilization_percent: (number | null)[];
  memory_used_mib: (number | null)[];
  temperature_c: (number | null)[];
  power_w: (number | null)[];
}

/** `GET history`: the last 10 minutes, oldest first; gaps are where nobody looked. */
export interface IHistory {
  times: number[];
  /** By UUID. */
  gpus: Record<string, IHistoryColumns>;
}

/** What one kernel environment brings; null for what it lacks. */
export interface IEnvironment {
  python: string | null;
  executable: string | null;
  torch: string | null;
  torch_cuda: string | null;
  /** The cuDNN that is loaded at run time, for example `9.1.0`. */
  cudnn: string | null;
  /** The cuDNN that torch was built with. */
  cudnn_built: string | null;
  nccl: string | null;
  /**
   * What torch has machine code for: `sm_80`…, and `compute_90` for code that the driver
   * translates.
   */
  archs: string[];
  cuda_available: boolean;
  problem:
    | 'no_python'
    | 'python_missing'
    | 'python_broken'
    | 'probe_timeout'
    | 'torch_missing'
    | 'torch_broken'
    | null;
  detail: string;
}

/** One remark of the verdict. The words are the front end's; `message` is a fallback. */
export interface IFinding {
  code: string;
  level: 'ok' | 'note' | 'warning' | 'error';
  parameters: Record<string, string>;
  message: string;
  /** Where the rule comes from: an address of NVIDIA's or PyTorch's documentation. */
  source: string | null;
}

/** Can this environment compute on these GPUs, and if not, why. */
export interface IVerdict {
  usable: boolean;
  /** Of the decisive finding. */
  code: string;
  parameters: Record<string, string>;
  /** All of them, the decisive one first. */
  findings: IFinding[];
}

/** `GET stack?kernel=NAME&refresh=1`. */
export interface IStack {
  kernel: string;
  kernel_display_name: string;
  driver: string | null;
  driver_cuda: string | null;
  /** Of the visible GPUs, each once. */
  compute_capabilities: string[];
  environment: IEnvironment;
  verdict: IVerdict;
}

/** One row of `GET environments`: a kernel, and what is known of it without asking it. */
export interface IKernelEnvironment {
  kernel: string;
  display_name: string;
  language: string;
  /** null when no Python can be told from its command. */
  executable: string | null;
  /** Whether `GET stack` would answer from the cache at once. */
  known: boolean;
}

/** `GET environments`. */
export interface IEnvironments {
  default: string;
  environments: IKernelEnvironment[];
}

/**
 * `GET snippets`: expressions for a kernel's `user_expressions`, of Python kernels only.
 *
 * Send an execute request with `code: ""`, `silent: true`, `store_history: false`, `allow_stdin:
 * false` and `user_expressions: {"gpudock": <expression>}`. The answer's
 * `user_expressions.gpudock.data["text/plain"]` is the JSON of the document.
 */
export interface ISnippets {
  /** Answers with `IKernelState`. */
  state: string;
  /** `torch.cuda.empty_cache()`; answers with `IRelease`. */
  release: string;
}

/** What torch holds of one device, from inside the kernel. */
export interface IKernelMemory {
  /** torch's own numbering in that kernel. */
  index: number;
  uuid: string | null;
  name: string | null;
  /** In use by tensors. */
  allocated_mib: number;
  /** Taken from the GPU, tensors and cache together. */
  reserved_mib: number;
  peak_allocated_mib: number;
  peak_reserved_mib: number;
}

/** The live state of a kernel. All but `torch_loaded` is null or empty before torch is. */
export interface IKernelState {
  torch_loaded: boolean;
  torch: string | null;
  /** False: torch has not touched a GPU yet, and holds nothing of it. */
  cuda_initialized: boolean | null;
  cudnn_available: boolean | null;
  cudnn_enabled: boolean | null;
  /** Only known when the kernel has used it; asking would load it. */
  cudnn_version: string | null;
  benchmark: boolean | null;
  deterministic: boolean | null;
  tf32_matmul: boolean | null;
  tf32_cudnn: boolean | null;
  /** torch 2.9 and later: `ieee`, `tf32`, `none`…; null for an older one. */
  fp32_precision_matmul: string | null;
  fp32_precision_cudnn: string | null;
  /** null when it cannot be told, because the question was not asked in the main thread. */
  autocast: boolean | null;
  autocast_dtype: string | null;
  devices: IKernelMemory[];
  /** What could not be read, in torch's words. */
  errors: string[];
}

/** What «release cached memory» did. */
export interface IRelease {
  done: boolean;
  reason: 'released' | 'torch_not_loaded' | 'cuda_not_used' | 'failed';
  before: IKernelMemory[];
  after: IKernelMemory[];
  freed_mib: number;
  errors: string[];
}

/** `POST checks`: body; answers 202 with `ICheck`. */
export interface ICheckRequest {
  /** UUID. */
  gpu: string;
  /** Name of the kernel whose environment is checked; the default one if left out. */
  kernel?: string;
}

/** One measurement of a check. */
export interface ICheckStep {
  name: 'cudnn' | 'fp16' | 'bf16' | 'tf32' | 'bandwidth';
  state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed';
  /**
   * How many times faster: cuDNN on against off; fp16, bf16 and TF32 against float32; pinned
   * against pageable memory.
   */
  ratio: number | null;
  /** What was measured, in the unit that the key ends in: `_ms`, `_gb_s`. */
  values: Record<string, number>;
  /**
   * Why it was skipped or failed: `no_cudnn`, `no_bf16`, `no_tf32`, `check_ended` for one that was
   * running when the check ended, and `error` with the words in `detail`.
   */
  code: string | null;
  /** The same in words; of an `error`, torch's own. */
  detail: string;
}

/** One check, from its beginning to what it found. Kept until the server ends. */
export interface ICheck {
  id: string;
  gpu: string;
  gpu_name: string;
  kernel: string;
  state: 'running' | 'done' | 'failed' | 'cancelled' | 'refused';
  /**
   * Of a check that did not end well: `timeout`, `cuda_unavailable`, `memory_short`,
   * `torch_missing`, `torch_broken`, `environment_broken`, `crashed`…
   */
  code: string | null;
  /**
   * What the words for the code tell: `free_mib`, `needed_mib`, `limit_s`, and `detail`, the last
   * words of torch or Python.
   */
  parameters: Record<string, string>;
  /** One sentence on how it ended; empty while it runs. */
  message: string;
  started_at: number;
  ended_at: number | null;
  /** 0 to 1. */
  progress: number;
  steps: ICheckStep[];
}

/** `GET checks`: newest first, the newest one of each GPU and kernel. */
export interface IChecks {
  checks: ICheck[];
}

/** Hours of the quota; null is no limit. */
export interface ILeaseQuota {
  gpu_hours_limit: number | null;
  gpu_hours_used: number | null;
  gpu_hours_left: number | null;
  window_days: number | null;
}

/** The idle countdown. */
export interface ILeaseIdle {
  /** null: idle sessions are not ended. */
  limit_minutes: number | null;
  /** Since when the GPU has not been used; null: it is in use. */
  since: number | null;
  /** When the session ends if it stays idle. */
  ends_at: number | null;
}

/** `GET lease`, `POST lease/extend` and `POST lease/release`. */
export interface ILease {
  /** Whether a gpudock hub started this server. If not, all else is empty. */
  managed: boolean;
  /** Its identity; null when this server was started without a GPU. */
  lease: string | null;
  /**
   * `stale`: the desk does not answer, these are its last words. `refused`: this server's token may
   * not ask.
   */
  state: 'unmanaged' | 'no_lease' | 'ok' | 'stale' | 'unreachable' | 'refused';
  /** One sentence for the user where the state is not ok. */
  message: string;
  fetched_at: number | null;
  /** This server's clock, so that a countdown does not depend on the browser's. */
  now: number;
  gpus: string[];
  /** null: no end is known. */
  ends_at: number | null;
  ends_because: 'time' | 'hours' | 'group_hours' | 'idle' | null;
  /** One sentence about the end. */
  why: string;
  can_extend: boolean;
  extendable_until: number | null;
  idle: ILeaseIdle;
  quota: ILeaseQuota;
  queue_length: number | null;
  /** Path of the Hub's home page, where a server can be started and stopped. */
  hub_home: string | null;
  /** Path of gpudock's own page on the Hub. */
  desk: string | null;
  /** Whether `POST server/restart` may be tried. */
  can_restart: boolean;
  /**
   * Where to go then: the Hub's page that starts this server again with the choices of last time,
   * as soon as it has ended. A `next` in its query is where the Hub leads afterwards.
   */
  restart_page: string | null;
}

/** `POST lease/extend`: body, may be empty. */
export interface IExtendRequest {
  hours?: number;
}

/** `POST server/restart`: what happens now. The page will lose its server in a moment. */
export interface IRestart {
  restarting: boolean;
  /** Why it is not restarted: as of any refusal. */
  code: string | null;
  /** Where to go: the Hub starts the server again from there, or restarts it by hand. */
  hub_home: string | null;
  message: string;
}

/** Any refusal: the HTTP status tells the kind, `code` the case. */
export interface IError {
  code: string;
  /** What the words for the code tell, as `ICheck` has them. */
  parameters: Record<string, string>;
  message: string;
}
