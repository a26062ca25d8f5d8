// Generated from jupyterlab_gpudock/contract.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.

/**
 * In place of a number: the GPU never reports it; it could not be read this time; the value cannot
 * be true and was dropped.
 */
export type Missing = 'not_supported' | 'not_available' | 'nonsense';

export type Metric = number | Missing;

/**
 * `hanging`: its calls do not return; the other GPUs are still read. `interrupted`: the program
 * that reads the GPUs ended unexpectedly, and is started again by itself.
 */
export type GPUState =
  | 'ok'
  | 'no_driver'
  | 'no_gpu'
  | 'version_mismatch'
  | 'lost'
  | 'hanging'
  | 'interrupted'
  | 'failed';

/** Why the clocks are not at their highest; the first two are harmless. */
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
 * `retirement_pending`: bad memory is replaced at the next reset; `remap_failed`: it cannot be;
 * `no_slices`: it is in MIG mode without slices, so nothing can use it.
 */
export type HealthNote =
  | 'ecc_uncorrected'
  | 'remap_pending'
  | 'remap_failed'
  | 'retirement_pending'
  | 'no_slices';

/** The owner of a process in this Jupyter server. */
export interface IOwner {
  /** `server`: a process of this server that is neither a kernel nor a terminal. */
  kind: 'kernel' | 'terminal' | 'server';
  kernel_id?: string;
  kernel_name?: string;
  /** The terminal's name, as in `/api/terminals`. */
  terminal?: string;
  /** `notebook`, `console` or `file`; omitted for a kernel without a session. */
  session_type?: string;
  /** Path of the notebook or console. */
  path?: string;
  /** For display: the last part of the path, or the session's name. */
  title?: string;
}

/** One process that holds memory of a GPU. */
export interface IProcess {
  /** As NVML reports it. In a container it is the host's PID, which has no meaning inside. */
  pid: number;
  /** `mps`: it computes through NVIDIA's Multi-Process Service. */
  kind: 'compute' | 'graphics' | 'mps';
  memory_mib: Metric;
  /** Name of its command; null when it is not visible from here. */
  name: string | null;
  /** Of `owner`. `probable`: by elimination. `unknown`: `owner` is null. */
  certainty: 'certain' | 'probable' | 'unknown';
  /**
   * `foreign`: visible, and not of this server. `hidden`: outside this container, or none in it
   * matches. `ambiguous`: several match. `vanished`: it has just ended.
   */
  reason: 'same_pid' | 'only_candidate' | 'foreign' | 'hidden' | 'ambiguous' | 'vanished';
  owner: IOwner | null;
}

/** The bus of a GPU; null for what it does not report. */
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
  /** NVML's text for a state other than ok. */
  detail: string;
  /** It has readings, and computes nothing: CUDA finds no device. */
  simulated?: boolean;
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
  /** NVLinks that are up; null for a GPU without NVLink. */
  nvlinks: number | null;
  ecc_corrected: Metric;
  ecc_uncorrected: Metric;
  health: HealthNote[];
  /** * */
  processes: IProcess[] | Missing;
}

/** All values at one time. The first frame of a stream with readings is a snapshot. */
export interface ISnapshotFrame {
  type: 'snapshot';
  sequence: number;
  time: number;
  /** The interval in force: the shortest that a client requested, or the setting. */
  interval_s: number;
  age_s: number;
  stale: boolean;
  state: GPUState;
  detail: string;
  driver: string | null;
  driver_cuda: string | null;
  gpus: IGPU[];
}

/** What changed since the frame `base`. Only clients that received that frame get it. */
export interface IDeltaFrame {
  type: 'delta';
  sequence: number;
  /** The sequence of the frame, snapshot or delta, that this one applies to. */
  base: number;
  time: number;
  /** By field: one entry for each GPU in the snapshot's order, null where nothing changed. */
  columns: Record<string, (Metric | string[] | null)[]>;
  /** By position in the snapshot's order (`"0"`): the whole new list. */
  processes?: Record<string, IProcess[]>;
}

/** No reading for a while, because NVML hangs: the values shown are old. */
export interface IStaleFrame {
  type: 'stale';
  age_s: number;
}

/** There is no reading yet. */
export interface IWaitingFrame {
  type: 'waiting';
}

/** The client's message is invalid and was ignored. */
export interface IErrorFrame {
  type: 'error';
  code: 'bad_message';
  message: string;
}

/** A check started, progressed or ended. Sent to all clients of the stream. */
export interface ICheckFrame {
  type: 'check';
  check: ICheck;
}

/** The only message of a client: how often it wants readings; null is the setting. */
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

/** The history of one GPU; null where it was not read. */
export interface IHistoryColumns {
  utilization_percent: (number | null)[];
  memory_used_mib: (number | null)[];
  temperature_c: (number | null)[];
  power_w: (number | null)[];
}

/** `GET history`: the last 10 minutes, oldest first; gaps are where nobody watched. */
export interface IHistory {
  times: number[];
  /** By UUID. */
  gpus: Record<string, IHistoryColumns>;
}

/** The versions in one kernel environment; null for what it lacks. */
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
   * What torch has machine code for: `sm_80`…, and `compute_90` for PTX, which the driver
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
    | 'torch_crashed'
    | null;
  detail: string;
  /** The signal that ended the Python for `torch_crashed`, for example `SIGSEGV`. */
  signal?: string | null;
  /** The folder of packages that torch is imported from. */
  torch_folder?: string | null;
  /** The version of another torch, which the one in the user's own folder hides. */
  torch_hidden?: string | null;
  cudnn_enabled?: boolean | null;
  /** The folder of the loaded cuDNN; null: not loaded, or unknown. */
  cudnn_path?: string | null;
  /** `own`, or where another one comes from: `library_path`, `user_package`, `elsewhere`. */
  cudnn_origin?: string | null;
  /** Why CUDA does not initialize, in the words of torch or CUDA. */
  cuda_error?: string;
  /** Why a small computation failed; empty when none was tried. */
  compute_error?: string;
  /** `CUDA_VISIBLE_DEVICES`; null: not set. */
  visible_devices?: string | null;
  /** Version of nvcc; empty: missing. null: it was not looked for. */
  nvcc?: string | null;
}

/** One finding of the verdict. The front end has its own texts; `message` is a fallback. */
export interface IFinding {
  code: string;
  /** More exact than the code: `gpu_too_new` and `gpu_too_old` are both `arch_missing`. */
  id?: string;
  level: 'ok' | 'note' | 'warning' | 'error';
  parameters: Record<string, string>;
  message: string;
  /** Source of the rule: a URL of NVIDIA's or PyTorch's documentation. */
  source: string | null;
}

/** Whether an environment can compute on the GPUs, and why not. */
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

/** One row of `GET environments`: a kernel, and what is known without probing it. */
export interface IKernelEnvironment {
  kernel: string;
  display_name: string;
  language: string;
  /** null when its command does not name a Python. */
  executable: string | null;
  /** Whether `GET stack` would return a cached result. */
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
 * false` and `user_expressions: {"gpudock": <expression>}`. The reply's
 * `user_expressions.gpudock.data["text/plain"]` is the JSON of the document.
 */
export interface ISnippets {
  /** Returns `IKernelState`. */
  state: string;
  /** `torch.cuda.empty_cache()`; returns `IRelease`. */
  release: string;
}

/** What torch holds of one device, from inside the kernel. */
export interface IKernelMemory {
  /** The index that torch uses in that kernel. */
  index: number;
  uuid: string | null;
  name: string | null;
  /** Used by tensors. */
  allocated_mib: number;
  /** Reserved on the GPU for tensors and cache. */
  reserved_mib: number;
  peak_allocated_mib: number;
  peak_reserved_mib: number;
}

/** The live state of a kernel. Without torch all but `torch_loaded` is null or empty. */
export interface IKernelState {
  torch_loaded: boolean;
  torch: string | null;
  /** False: torch has not used a GPU yet, and holds no memory of it. */
  cuda_initialized: boolean | null;
  cudnn_available: boolean | null;
  cudnn_enabled: boolean | null;
  /** Only known when the kernel has used cuDNN; reading it would load cuDNN. */
  cudnn_version: string | null;
  benchmark: boolean | null;
  deterministic: boolean | null;
  tf32_matmul: boolean | null;
  tf32_cudnn: boolean | null;
  /** torch 2.9 and later: `ieee`, `tf32`, `none`…; null for an older one. */
  fp32_precision_matmul: string | null;
  fp32_precision_cudnn: string | null;
  /** null when it is unknown, because it was not read in the main thread. */
  autocast: boolean | null;
  autocast_dtype: string | null;
  devices: IKernelMemory[];
  /** What could not be read, with torch's messages. */
  errors: string[];
}

/** The result of "release cached memory". */
export interface IRelease {
  done: boolean;
  reason: 'released' | 'torch_not_loaded' | 'cuda_not_used' | 'failed';
  before: IKernelMemory[];
  after: IKernelMemory[];
  freed_mib: number;
  errors: string[];
}

/** A limit, and what is used of it. */
export interface IUsage {
  /** null: there is none, or it is unknown. */
  limit: number | null;
  /** null: unknown. */
  used: number | null;
}

/** `GET limits?kernel=ID`: what this server may use of its host, and uses. */
export interface ILimits {
  /** Of all processes of the container, without caches that the kernel can drop. */
  memory_mib: IUsage;
  /** How many processes of the container were killed since its start because memory ran out. */
  memory_kills: number | null;
  host_memory_mib: IUsage;
  /** `/dev/shm`. What is in it also counts as memory. */
  shm_mib: IUsage;
  /** Of one process: the kernel's, or this server's where the query names none. */
  open_files: IUsage;
  /** Processes and threads of the container. */
  processes: IUsage;
  /** Processors that the container may use; null: all. */
  cpus: number | null;
  /** `OMP_NUM_THREADS`: how many threads a library starts for one computation. */
  threads: number | null;
}

/** How a kernel ended that nobody had asked to. */
export interface IKernelEnd {
  kernel_id: string;
  ended_at: number;
  /**
   * The limit that was reached: the container's memory, the host's memory, `/dev/shm` (a bus error,
   * which has hardly any other cause), processes and threads. `signal`: none, it crashed. `exit`:
   * none, it exited.
   */
  cause: 'memory' | 'host_memory' | 'shm' | 'processes' | 'signal' | 'exit';
  /** For example `SIGKILL`; null: it exited by itself, or that is unknown. */
  signal: string | null;
  exit_code: number | null;
  /** As they were right after the end. */
  limits: ILimits;
}

/** `GET ends`: the newest end of each kernel, the newest first. */
export interface IKernelEnds {
  ends: IKernelEnd[];
}

/** `POST checks`: body; returns 202 with `ICheck`. */
export interface ICheckRequest {
  /** UUID. */
  gpu: string;
  /** Name of the kernel whose environment is checked; default: the default kernel. */
  kernel?: string;
}

/** One measurement of a check. */
export interface ICheckStep {
  name: 'cudnn' | 'fp16' | 'bf16' | 'tf32' | 'bandwidth';
  state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed';
  /**
   * How many times faster: cuDNN on or off; fp16, bf16 and TF32 compared with float32; pinned
   * compared with pageable memory.
   */
  ratio: number | null;
  /** Measured values; the key ends in the unit: `_ms`, `_gb_s`. */
  values: Record<string, number>;
  /**
   * Why it was skipped or failed: `no_cudnn`, `no_bf16`, `no_tf32`, `check_ended` for one that was
   * running when the check ended, and `error` with the message in `detail`.
   */
  code: string | null;
  /** The same as a sentence; for `error`, torch's message. */
  detail: string;
}

/** One check and its result. Kept until the server ends. */
export interface ICheck {
  id: string;
  gpu: string;
  gpu_name: string;
  kernel: string;
  state: 'running' | 'done' | 'failed' | 'cancelled' | 'refused';
  /**
   * Of a check without a result: `timeout`, `cuda_unavailable`, `memory_short`, `torch_missing`,
   * `torch_broken`, `environment_broken`, `crashed`… A check of a simulated GPU is not started:
   * `POST checks` answers with the error `simulated`.
   */
  code: string | null;
  /**
   * What a message for the code needs: `free_mib`, `needed_mib`, `limit_s`, and `detail`, the last
   * line of torch or Python.
   */
  parameters: Record<string, string>;
  /** One sentence on how it ended; empty while it runs. */
  message: string;
  started_at: number;
  ended_at: number | null;
  /** 0 to 1. */
  progress: number;
  /**
   * How often the check has changed. Of two documents of one check, which can arrive in another
   * order than they were sent in, the one with the higher number is the newer.
   */
  revision?: number;
  steps: ICheckStep[];
}

/** `GET checks`: newest first, the newest one of each GPU and kernel. */
export interface IChecks {
  checks: ICheck[];
}

/** GPU hours of the quota; null is no limit. */
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
  /** Since when the GPU has been idle; null: it is in use. */
  since: number | null;
  /** When the session ends if it stays idle. */
  ends_at: number | null;
}

/** `GET lease`, `POST lease/extend` and `POST lease/release`. */
export interface ILease {
  /** Whether a gpudock hub started this server. If not, the rest is empty. */
  managed: boolean;
  /** ID of the lease; null when this server was started without a GPU. */
  lease: string | null;
  /**
   * `stale`: the desk does not respond, this is its last response. `refused`: this server's token
   * lacks the permission.
   */
  state: 'unmanaged' | 'no_lease' | 'ok' | 'stale' | 'unreachable' | 'refused';
  /** One sentence for the user when the state is not ok. */
  message: string;
  fetched_at: number | null;
  /** This server's clock, so that a countdown does not depend on the browser's. */
  now: number;
  gpus: string[];
  /**
   * By UUID, the index of a GPU on its host, as the lab's pages show it; empty until the desk has
   * returned it.
   */
  host_gpus?: Record<string, number>;
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
  /** Path of the Hub's home page, where users start and stop servers. */
  hub_home: string | null;
  /** Path of gpudock's pages on the Hub. */
  desk: string | null;
  /** Whether `POST server/restart` can be tried. */
  can_restart: boolean;
  /**
   * Where to go then: the Hub's page that starts this server again with the options of last time,
   * as soon as it has ended. The Hub redirects to `next` in its query afterwards.
   */
  restart_page: string | null;
}

/** `POST lease/extend`: body, may be empty. */
export interface IExtendRequest {
  hours?: number;
}

/** `POST server/restart`: what happens next. The page loses its server in a moment. */
export interface IRestart {
  restarting: boolean;
  /** Why it is not restarted: the code of an error. */
  code: string | null;
  /** Where to go: the Hub's page that starts the server again, or where to do so by hand. */
  hub_home: string | null;
  message: string;
}

/** Any error: the HTTP status is the kind, `code` the case. */
export interface IError {
  code: string;
  /** What a message for the code needs, as in `ICheck`. */
  parameters: Record<string, string>;
  message: string;
}
