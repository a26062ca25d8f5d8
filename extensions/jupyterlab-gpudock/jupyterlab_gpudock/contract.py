"""The contract between server and front end: the shape of every document.

Nothing here runs. ``make generate`` writes the front end's types, ``src/model/contract.ts``, from
this file. Times are seconds since 1970 (UTC), durations are seconds, memory is MiB.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Missing = Literal["not_supported", "not_available", "nonsense"]
"""In place of a number: the GPU never reports it; it could not be read this time; the value cannot
be true and was dropped."""

Metric = int | float | Missing

GPUState = Literal[
    "ok", "no_driver", "no_gpu", "version_mismatch", "lost", "hanging", "interrupted", "failed"
]
"""``hanging``: its calls do not return; the other GPUs are still read. ``interrupted``: the program
that reads the GPUs ended unexpectedly, and is started again by itself."""

ThrottleReason = Literal[
    "gpu_idle",
    "applications_clocks",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal",
    "hw_thermal",
    "hw_power_brake",
    "display_clocks",
]
"""Why the clocks are not at their highest; the first two are harmless."""

HealthNote = Literal[
    "ecc_uncorrected",
    "remap_pending",
    "remap_failed",
    "retirement_pending",
    "no_slices",
]
"""``ecc_uncorrected``: uncorrectable memory errors since the driver was loaded; ``remap_pending``,
``retirement_pending``: bad memory is replaced at the next reset; ``remap_failed``: it cannot be;
``no_slices``: it is in MIG mode without slices, so nothing can use it."""


class Owner(TypedDict):
    """The owner of a process in this Jupyter server."""

    kind: Literal["kernel", "terminal", "server"]
    """``server``: a process of this server that is neither a kernel nor a terminal."""
    kernel_id: NotRequired[str]
    kernel_name: NotRequired[str]
    terminal: NotRequired[str]
    """The terminal's name, as in ``/api/terminals``."""
    session_type: NotRequired[str]
    """``notebook``, ``console`` or ``file``; omitted for a kernel without a session."""
    path: NotRequired[str]
    """Path of the notebook or console."""
    title: NotRequired[str]
    """For display: the last part of the path, or the session's name."""


class ProcessDocument(TypedDict):
    """One process that holds memory of a GPU."""

    pid: int
    """As NVML reports it. In a container it is the host's PID, which has no meaning inside."""
    kind: Literal["compute", "graphics", "mps"]
    """``mps``: it computes through NVIDIA's Multi-Process Service."""
    memory_mib: Metric
    name: str | None
    """Name of its command; None when it is not visible from here."""
    certainty: Literal["certain", "probable", "unknown"]
    """Of ``owner``. ``probable``: by elimination. ``unknown``: ``owner`` is None."""
    reason: Literal["same_pid", "only_candidate", "foreign", "hidden", "ambiguous", "vanished"]
    """``foreign``: visible, and not of this server. ``hidden``: outside this container, or none in
    it matches. ``ambiguous``: several match. ``vanished``: it has just ended."""
    owner: Owner | None


class PCIeDocument(TypedDict):
    """The bus of a GPU; None for what it does not report."""

    generation: int | None
    generation_max: int | None
    width: int | None
    width_max: int | None


class GPUDocument(TypedDict):
    """One device, or one MIG slice. What a delta can change is marked *."""

    uuid: str
    index: str
    name: str
    mig_profile: str | None
    compute_capability: str | None
    """For example ``8.0``."""
    state: GPUState
    detail: str
    """NVML's text for a state other than ok."""
    simulated: NotRequired[bool]
    """It has readings, and computes nothing: CUDA finds no device."""
    utilization_percent: Metric
    """*"""
    memory_used_mib: Metric
    """*"""
    memory_total_mib: Metric
    temperature_c: Metric
    """*"""
    temperature_slowdown_c: Metric
    power_w: Metric
    """*"""
    power_limit_w: Metric
    sm_clock_mhz: Metric
    """*"""
    sm_clock_max_mhz: Metric
    memory_clock_mhz: Metric
    """*"""
    memory_clock_max_mhz: Metric
    throttle: list[ThrottleReason] | Missing
    """*"""
    pcie: PCIeDocument | None
    nvlinks: int | None
    """NVLinks that are up; None for a GPU without NVLink."""
    ecc_corrected: Metric
    ecc_uncorrected: Metric
    health: list[HealthNote]
    processes: list[ProcessDocument] | Missing
    """*"""


class SnapshotFrame(TypedDict):
    """All values at one time. The first frame of a stream with readings is a snapshot."""

    type: Literal["snapshot"]
    sequence: int
    time: float
    interval_s: float
    """The interval in force: the shortest that a client requested, or the setting."""
    age_s: float
    stale: bool
    state: GPUState
    detail: str
    driver: str | None
    driver_cuda: str | None
    gpus: list[GPUDocument]


class DeltaFrame(TypedDict):
    """What changed since the frame ``base``. Only clients that received that frame get it."""

    type: Literal["delta"]
    sequence: int
    base: int
    """The sequence of the frame, snapshot or delta, that this one applies to."""
    time: float
    columns: dict[str, list[Metric | list[str] | None]]
    """By field: one entry for each GPU in the snapshot's order, None where nothing changed."""
    processes: NotRequired[dict[str, list[ProcessDocument]]]
    """By position in the snapshot's order (``"0"``): the whole new list."""


class StaleFrame(TypedDict):
    """No reading for a while, because NVML hangs: the values shown are old."""

    type: Literal["stale"]
    age_s: float


class WaitingFrame(TypedDict):
    """There is no reading yet."""

    type: Literal["waiting"]


class ErrorFrame(TypedDict):
    """The client's message is invalid and was ignored."""

    type: Literal["error"]
    code: Literal["bad_message"]
    message: str


class CheckFrame(TypedDict):
    """A check started, progressed or ended. Sent to all clients of the stream."""

    type: Literal["check"]
    check: CheckDocument


class RateMessage(TypedDict):
    """The only message of a client: how often it wants readings; null is the setting."""

    type: Literal["rate"]
    interval_s: float | None


Frame = SnapshotFrame | DeltaFrame | StaleFrame | WaitingFrame | ErrorFrame | CheckFrame


class HistoryColumns(TypedDict):
    """The history of one GPU; None where it was not read."""

    utilization_percent: list[float | None]
    memory_used_mib: list[float | None]
    temperature_c: list[float | None]
    power_w: list[float | None]


class HistoryDocument(TypedDict):
    """``GET history``: the last 10 minutes, oldest first; gaps are where nobody watched."""

    times: list[float]
    gpus: dict[str, HistoryColumns]
    """By UUID."""


# -- the stack ------------------------------------------------------------------------------


class EnvironmentDocument(TypedDict):
    """The versions in one kernel environment; None for what it lacks."""

    python: str | None
    executable: str | None
    torch: str | None
    torch_cuda: str | None
    cudnn: str | None
    """The cuDNN that is loaded at run time, for example ``9.1.0``."""
    cudnn_built: str | None
    """The cuDNN that torch was built with."""
    nccl: str | None
    archs: list[str]
    """What torch has machine code for: ``sm_80``…, and ``compute_90`` for PTX, which the driver
    translates."""
    cuda_available: bool
    problem: (
        Literal[
            "no_python",
            "python_missing",
            "python_broken",
            "probe_timeout",
            "torch_missing",
            "torch_broken",
            "torch_crashed",
        ]
        | None
    )
    detail: str
    signal: NotRequired[str | None]
    """The signal that ended the Python for ``torch_crashed``, for example ``SIGSEGV``."""
    torch_folder: NotRequired[str | None]
    """The folder of packages that torch is imported from."""
    torch_hidden: NotRequired[str | None]
    """The version of another torch, which the one in the user's own folder hides."""
    cudnn_enabled: NotRequired[bool | None]
    cudnn_path: NotRequired[str | None]
    """The folder of the loaded cuDNN; None: not loaded, or unknown."""
    cudnn_origin: NotRequired[str | None]
    """``own``, or where another one comes from: ``library_path``, ``user_package``,
    ``elsewhere``."""
    cuda_error: NotRequired[str]
    """Why CUDA does not initialize, in the words of torch or CUDA."""
    compute_error: NotRequired[str]
    """Why a small computation failed; empty when none was tried."""
    visible_devices: NotRequired[str | None]
    """``CUDA_VISIBLE_DEVICES``; None: not set."""
    nvcc: NotRequired[str | None]
    """Version of nvcc; empty: missing. None: it was not looked for."""


class Finding(TypedDict):
    """One finding of the verdict. The front end has its own texts; ``message`` is a fallback."""

    code: str
    id: NotRequired[str]
    """More exact than the code: ``gpu_too_new`` and ``gpu_too_old`` are both ``arch_missing``."""
    level: Literal["ok", "note", "warning", "error"]
    parameters: dict[str, str]
    message: str
    source: str | None
    """Source of the rule: a URL of NVIDIA's or PyTorch's documentation."""


class VerdictDocument(TypedDict):
    """Whether an environment can compute on the GPUs, and why not."""

    usable: bool
    code: str
    """Of the decisive finding."""
    parameters: dict[str, str]
    findings: list[Finding]
    """All of them, the decisive one first."""


class StackDocument(TypedDict):
    """``GET stack?kernel=NAME&refresh=1``."""

    kernel: str
    kernel_display_name: str
    driver: str | None
    driver_cuda: str | None
    compute_capabilities: list[str]
    """Of the visible GPUs, each once."""
    environment: EnvironmentDocument
    verdict: VerdictDocument


class KernelEnvironment(TypedDict):
    """One row of ``GET environments``: a kernel, and what is known without probing it."""

    kernel: str
    display_name: str
    language: str
    executable: str | None
    """None when its command does not name a Python."""
    known: bool
    """Whether ``GET stack`` would return a cached result."""


class EnvironmentsDocument(TypedDict):
    """``GET environments``."""

    default: str
    environments: list[KernelEnvironment]


class SnippetsDocument(TypedDict):
    """``GET snippets``: expressions for a kernel's ``user_expressions``, of Python kernels only.

    Send an execute request with ``code: ""``, ``silent: true``, ``store_history: false``,
    ``allow_stdin: false`` and ``user_expressions: {"gpudock": <expression>}``. The reply's
    ``user_expressions.gpudock.data["text/plain"]`` is the JSON of the document.
    """

    state: str
    """Returns :class:`KernelState`."""
    release: str
    """``torch.cuda.empty_cache()``; returns :class:`ReleaseDocument`."""


class KernelMemory(TypedDict):
    """What torch holds of one device, from inside the kernel."""

    index: int
    """The index that torch uses in that kernel."""
    uuid: str | None
    name: str | None
    allocated_mib: float
    """Used by tensors."""
    reserved_mib: float
    """Reserved on the GPU for tensors and cache."""
    peak_allocated_mib: float
    peak_reserved_mib: float


class KernelState(TypedDict):
    """The live state of a kernel. Without torch all but ``torch_loaded`` is None or empty."""

    torch_loaded: bool
    torch: str | None
    cuda_initialized: bool | None
    """False: torch has not used a GPU yet, and holds no memory of it."""
    cudnn_available: bool | None
    cudnn_enabled: bool | None
    cudnn_version: str | None
    """Only known when the kernel has used cuDNN; reading it would load cuDNN."""
    benchmark: bool | None
    deterministic: bool | None
    tf32_matmul: bool | None
    tf32_cudnn: bool | None
    fp32_precision_matmul: str | None
    """torch 2.9 and later: ``ieee``, ``tf32``, ``none``…; None for an older one."""
    fp32_precision_cudnn: str | None
    autocast: bool | None
    """None when it is unknown, because it was not read in the main thread."""
    autocast_dtype: str | None
    devices: list[KernelMemory]
    errors: list[str]
    """What could not be read, with torch's messages."""


class ReleaseDocument(TypedDict):
    """The result of "release cached memory"."""

    done: bool
    reason: Literal["released", "torch_not_loaded", "cuda_not_used", "failed"]
    before: list[KernelMemory]
    after: list[KernelMemory]
    freed_mib: float
    errors: list[str]


# -- limits ---------------------------------------------------------------------------------


class UsageDocument(TypedDict):
    """A limit, and what is used of it."""

    limit: float | None
    """None: there is none, or it is unknown."""
    used: float | None
    """None: unknown."""


class LimitsDocument(TypedDict):
    """``GET limits?kernel=ID``: what this server may use of its host, and uses."""

    memory_mib: UsageDocument
    """Of all processes of the container, without caches that the kernel can drop."""
    memory_kills: int | None
    """How many processes of the container were killed since its start because memory ran out."""
    host_memory_mib: UsageDocument
    shm_mib: UsageDocument
    """``/dev/shm``. What is in it also counts as memory."""
    open_files: UsageDocument
    """Of one process: the kernel's, or this server's where the query names none."""
    processes: UsageDocument
    """Processes and threads of the container."""
    cpus: float | None
    """Processors that the container may use; None: all."""
    threads: int | None
    """``OMP_NUM_THREADS``: how many threads a library starts for one computation."""


class KernelEnd(TypedDict):
    """How a kernel ended that nobody had asked to."""

    kernel_id: str
    ended_at: float
    cause: Literal["memory", "host_memory", "shm", "processes", "signal", "exit"]
    """The limit that was reached: the container's memory, the host's memory, ``/dev/shm`` (a bus
    error, which has hardly any other cause), processes and threads. ``signal``: none, it crashed.
    ``exit``: none, it exited."""
    signal: str | None
    """For example ``SIGKILL``; None: it exited by itself, or that is unknown."""
    exit_code: int | None
    limits: LimitsDocument
    """As they were right after the end."""


class KernelEndsDocument(TypedDict):
    """``GET ends``: the newest end of each kernel, the newest first."""

    ends: list[KernelEnd]


# -- the check ------------------------------------------------------------------------------


class CheckRequest(TypedDict):
    """``POST checks``: body; returns 202 with :class:`CheckDocument`."""

    gpu: str
    """UUID."""
    kernel: NotRequired[str]
    """Name of the kernel whose environment is checked; default: the default kernel."""


class CheckStep(TypedDict):
    """One measurement of a check."""

    name: Literal["cudnn", "fp16", "bf16", "tf32", "bandwidth"]
    state: Literal["waiting", "running", "done", "skipped", "failed"]
    ratio: float | None
    """How many times faster: cuDNN on or off; fp16, bf16 and TF32 compared with float32; pinned
    compared with pageable memory."""
    values: dict[str, float]
    """Measured values; the key ends in the unit: ``_ms``, ``_gb_s``."""
    code: str | None
    """Why it was skipped or failed: ``no_cudnn``, ``no_bf16``, ``no_tf32``, ``check_ended`` for
    one that was running when the check ended, and ``error`` with the message in ``detail``."""
    detail: str
    """The same as a sentence; for ``error``, torch's message."""


class CheckDocument(TypedDict):
    """One check and its result. Kept until the server ends."""

    id: str
    gpu: str
    gpu_name: str
    kernel: str
    state: Literal["running", "done", "failed", "cancelled", "refused"]
    code: str | None
    """Of a check without a result: ``timeout``, ``cuda_unavailable``, ``memory_short``,
    ``torch_missing``, ``torch_broken``, ``environment_broken``, ``crashed``… A check of a simulated
    GPU is not started: ``POST checks`` answers with the error ``simulated``."""
    parameters: dict[str, str]
    """What a message for the code needs: ``free_mib``, ``needed_mib``, ``limit_s``, and ``detail``,
    the last line of torch or Python."""
    message: str
    """One sentence on how it ended; empty while it runs."""
    started_at: float
    ended_at: float | None
    progress: float
    """0 to 1."""
    revision: NotRequired[int]
    """How often the check has changed. Of two documents of one check, which can arrive in another
    order than they were sent in, the one with the higher number is the newer."""
    steps: list[CheckStep]


class ChecksDocument(TypedDict):
    """``GET checks``: newest first, the newest one of each GPU and kernel."""

    checks: list[CheckDocument]


# -- the lease ------------------------------------------------------------------------------


class LeaseQuota(TypedDict):
    """GPU hours of the quota; None is no limit."""

    gpu_hours_limit: float | None
    gpu_hours_used: float | None
    gpu_hours_left: float | None
    window_days: float | None


class LeaseIdle(TypedDict):
    """The idle countdown."""

    limit_minutes: float | None
    """None: idle sessions are not ended."""
    since: float | None
    """Since when the GPU has been idle; None: it is in use."""
    ends_at: float | None
    """When the session ends if it stays idle."""


class LeaseDocument(TypedDict):
    """``GET lease``, ``POST lease/extend`` and ``POST lease/release``."""

    managed: bool
    """Whether a gpudock hub started this server. If not, the rest is empty."""
    lease: str | None
    """ID of the lease; None when this server was started without a GPU."""
    state: Literal["unmanaged", "no_lease", "ok", "stale", "unreachable", "refused"]
    """``stale``: the desk does not respond, this is its last response. ``refused``: this server's
    token lacks the permission."""
    message: str
    """One sentence for the user when the state is not ok."""
    fetched_at: float | None
    now: float
    """This server's clock, so that a countdown does not depend on the browser's."""
    gpus: list[str]
    host_gpus: NotRequired[dict[str, int]]
    """By UUID, the index of a GPU on its host, as the lab's pages show it; empty until the desk has
    returned it."""
    ends_at: float | None
    """None: no end is known."""
    ends_because: Literal["time", "hours", "group_hours", "idle"] | None
    why: str
    """One sentence about the end."""
    can_extend: bool
    extendable_until: float | None
    idle: LeaseIdle
    quota: LeaseQuota
    queue_length: int | None
    hub_home: str | None
    """Path of the Hub's home page, where users start and stop servers."""
    desk: str | None
    """Path of gpudock's pages on the Hub."""
    can_restart: bool
    """Whether ``POST server/restart`` can be tried."""
    restart_page: str | None
    """Where to go then: the Hub's page that starts this server again with the options of last time,
    as soon as it has ended. The Hub redirects to ``next`` in its query afterwards."""


class ExtendRequest(TypedDict):
    """``POST lease/extend``: body, may be empty."""

    hours: NotRequired[float]


class RestartDocument(TypedDict):
    """``POST server/restart``: what happens next. The page loses its server in a moment."""

    restarting: bool
    code: str | None
    """Why it is not restarted: the code of an error."""
    hub_home: str | None
    """Where to go: the Hub's page that starts the server again, or where to do so by hand."""
    message: str


class ErrorDocument(TypedDict):
    """Any error: the HTTP status is the kind, ``code`` the case."""

    code: str
    parameters: dict[str, str]
    """What a message for the code needs, as in :class:`CheckDocument`."""
    message: str
