"""What the routes and the stream say: the shape of every document, for server and front end.

Nothing here runs. The front end's ``src/contract.ts`` says the same in TypeScript. Times are
seconds since 1970 (UTC), durations are seconds, memory is MiB.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Missing = Literal["not_supported", "not_available", "nonsense"]
"""In a number's place: the GPU never reports it; it could not be read this time; what was read
made no sense and was dropped."""

Metric = int | float | Missing

GPUState = Literal["ok", "no_driver", "no_gpu", "version_mismatch", "lost", "hanging", "failed"]
"""``hanging``: its calls do not return; the other GPUs are read on without it."""

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
"""Why the clocks are not at their highest; ``gpu_idle`` and ``applications_clocks`` are no harm."""

HealthNote = Literal[
    "ecc_uncorrected",
    "remap_pending",
    "remap_failed",
    "retirement_pending",
]
"""``ecc_uncorrected``: uncorrectable memory errors since the driver was loaded; ``remap_pending``,
``retirement_pending``: bad memory is replaced at the next reset; ``remap_failed``: it cannot be."""


class Owner(TypedDict):
    """Whose process it is, in this Jupyter server."""

    kind: Literal["kernel", "terminal", "server"]
    """``server``: a process of this server that is neither kernel nor terminal."""
    kernel_id: NotRequired[str]
    kernel_name: NotRequired[str]
    terminal: NotRequired[str]
    """The terminal's name, as in ``/api/terminals``."""
    session_type: NotRequired[str]
    """``notebook``, ``console`` or ``file``; left out for a kernel without a session."""
    path: NotRequired[str]
    """The notebook's or console's path."""
    title: NotRequired[str]
    """What to show: the path's last part, or the session's name."""


class ProcessDocument(TypedDict):
    """One process that holds memory of a GPU."""

    pid: int
    """As NVML tells it. In a container that is the host's number, of no use inside."""
    kind: Literal["compute", "graphics", "mps"]
    """``mps``: it computes through NVIDIA's Multi-Process Service."""
    memory_mib: Metric
    name: str | None
    """Its command's name; None when it cannot be seen from here."""
    certainty: Literal["certain", "probable", "unknown"]
    """Whether ``owner`` is sure. ``probable``: by elimination. ``unknown``: ``owner`` is None."""
    reason: Literal["same_pid", "only_candidate", "foreign", "hidden", "ambiguous", "vanished"]
    """``foreign``: seen, and not of this server. ``hidden``: NVML names a process of outside this
    container, and none in it fits. ``ambiguous``: several fit. ``vanished``: it has just ended."""
    owner: Owner | None


class PCIeDocument(TypedDict):
    """The bus that a GPU is on; None for what it does not tell."""

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
    """NVML's own words for a state other than ok."""
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
    """NVLinks that are up; None where there are none to ask for."""
    ecc_corrected: Metric
    ecc_uncorrected: Metric
    health: list[HealthNote]
    processes: list[ProcessDocument] | Missing
    """*"""


class SnapshotFrame(TypedDict):
    """Everything, at one moment. The first frame of a stream with readings is always one."""

    type: Literal["snapshot"]
    sequence: int
    time: float
    interval_s: float
    """The rate that is in force: the fastest that a client asked for, or else the setting."""
    age_s: float
    stale: bool
    state: GPUState
    detail: str
    driver: str | None
    driver_cuda: str | None
    gpus: list[GPUDocument]


class DeltaFrame(TypedDict):
    """What changed since the frame ``base``. A server sends it only to who got that frame."""

    type: Literal["delta"]
    sequence: int
    base: int
    """The sequence of the frame, snapshot or delta, that this one is to be laid over."""
    time: float
    columns: dict[str, list[Metric | list[str] | None]]
    """By field: one entry for each GPU in the snapshot's order, None where nothing changed."""
    processes: NotRequired[dict[str, list[ProcessDocument]]]
    """By place in the snapshot's order (``"0"``): the whole new list."""


class StaleFrame(TypedDict):
    """No reading came for a while: NVML hangs. Numbers on the screen are old."""

    type: Literal["stale"]
    age_s: float


class WaitingFrame(TypedDict):
    """There was no reading yet."""

    type: Literal["waiting"]


class ErrorFrame(TypedDict):
    """What the client sent makes no sense, and was ignored."""

    type: Literal["error"]
    code: Literal["bad_message"]
    message: str


class CheckFrame(TypedDict):
    """A check began, went on or ended. Sent to all clients of the stream."""

    type: Literal["check"]
    check: CheckDocument


class RateMessage(TypedDict):
    """The one thing that a client may send: how often it wants readings; null is «as set»."""

    type: Literal["rate"]
    interval_s: float | None


Frame = SnapshotFrame | DeltaFrame | StaleFrame | WaitingFrame | ErrorFrame | CheckFrame


class HistoryColumns(TypedDict):
    """One GPU's past; None where it was not read."""

    utilization_percent: list[float | None]
    memory_used_mib: list[float | None]
    temperature_c: list[float | None]
    power_w: list[float | None]


class HistoryDocument(TypedDict):
    """``GET history``: the last 10 minutes, oldest first; gaps are where nobody looked."""

    times: list[float]
    gpus: dict[str, HistoryColumns]
    """By UUID."""


# -- the stack ------------------------------------------------------------------------------


class EnvironmentDocument(TypedDict):
    """What one kernel environment brings; None for what it lacks."""

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
    """What torch has machine code for: ``sm_80``…, and ``compute_90`` for code that the driver
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
        ]
        | None
    )
    detail: str


class Finding(TypedDict):
    """One remark of the verdict. The words are the front end's; ``message`` is a fallback."""

    code: str
    level: Literal["ok", "note", "warning", "error"]
    parameters: dict[str, str]
    message: str
    source: str | None
    """Where the rule comes from: an address of NVIDIA's or PyTorch's documentation."""


class VerdictDocument(TypedDict):
    """Can this environment compute on these GPUs, and if not, why."""

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
    """One row of ``GET environments``: a kernel, and what is known of it without asking it."""

    kernel: str
    display_name: str
    language: str
    executable: str | None
    """None when no Python can be told from its command."""
    known: bool
    """Whether ``GET stack`` would answer from the cache at once."""


class EnvironmentsDocument(TypedDict):
    """``GET environments``."""

    default: str
    environments: list[KernelEnvironment]


class SnippetsDocument(TypedDict):
    """``GET snippets``: expressions for a kernel's ``user_expressions``, of Python kernels only.

    Send an execute request with ``code: ""``, ``silent: true``, ``store_history: false``,
    ``allow_stdin: false`` and ``user_expressions: {"gpudock": <expression>}``. The answer's
    ``user_expressions.gpudock.data["text/plain"]`` is the JSON of the document.
    """

    state: str
    """Answers with :class:`KernelState`."""
    release: str
    """``torch.cuda.empty_cache()``; answers with :class:`ReleaseDocument`."""


class KernelMemory(TypedDict):
    """What torch holds of one device, from inside the kernel."""

    index: int
    """torch's own numbering in that kernel."""
    uuid: str | None
    name: str | None
    allocated_mib: float
    """In use by tensors."""
    reserved_mib: float
    """Taken from the GPU, tensors and cache together."""
    peak_allocated_mib: float
    peak_reserved_mib: float


class KernelState(TypedDict):
    """The live state of a kernel. All but ``torch_loaded`` is None or empty before torch is."""

    torch_loaded: bool
    torch: str | None
    cuda_initialized: bool | None
    """False: torch has not touched a GPU yet, and holds nothing of it."""
    cudnn_available: bool | None
    cudnn_enabled: bool | None
    cudnn_version: str | None
    """Only known when the kernel has used it; asking would load it."""
    benchmark: bool | None
    deterministic: bool | None
    tf32_matmul: bool | None
    tf32_cudnn: bool | None
    fp32_precision_matmul: str | None
    """torch 2.9 and later: ``ieee``, ``tf32``, ``none``…; None for an older one."""
    fp32_precision_cudnn: str | None
    autocast: bool | None
    """None when it cannot be told, because the question was not asked in the main thread."""
    autocast_dtype: str | None
    devices: list[KernelMemory]
    errors: list[str]
    """What could not be read, in torch's words."""


class ReleaseDocument(TypedDict):
    """What «release cached memory» did."""

    done: bool
    reason: Literal["released", "torch_not_loaded", "cuda_not_used", "failed"]
    before: list[KernelMemory]
    after: list[KernelMemory]
    freed_mib: float
    errors: list[str]


# -- the check ------------------------------------------------------------------------------


class CheckRequest(TypedDict):
    """``POST checks``: body; answers 202 with :class:`CheckDocument`."""

    gpu: str
    """UUID."""
    kernel: NotRequired[str]
    """Name of the kernel whose environment is checked; the default one if left out."""


class CheckStep(TypedDict):
    """One measurement of a check."""

    name: Literal["cudnn", "fp16", "bf16", "tf32", "bandwidth"]
    state: Literal["waiting", "running", "done", "skipped", "failed"]
    ratio: float | None
    """How many times faster: cuDNN on against off; fp16, bf16 and TF32 against float32; pinned
    against pageable memory."""
    values: dict[str, float]
    """What was measured, in the unit that the key ends in: ``_ms``, ``_gb_s``."""
    code: str | None
    """Why it was skipped or failed: ``no_cudnn``, ``no_bf16``, ``no_tf32``, ``check_ended`` for
    one that was running when the check ended, and ``error`` with the words in ``detail``."""
    detail: str
    """The same in words; of an ``error``, torch's own."""


class CheckDocument(TypedDict):
    """One check, from its beginning to what it found. Kept until the server ends."""

    id: str
    gpu: str
    gpu_name: str
    kernel: str
    state: Literal["running", "done", "failed", "cancelled", "refused"]
    code: str | None
    """Of a check that did not end well: ``timeout``, ``cuda_unavailable``, ``memory_short``,
    ``torch_missing``, ``torch_broken``, ``environment_broken``, ``crashed``…"""
    parameters: dict[str, str]
    """What the words for the code tell: ``free_mib``, ``needed_mib``, ``limit_s``, and ``detail``,
    the last words of torch or Python."""
    message: str
    """One sentence on how it ended; empty while it runs."""
    started_at: float
    ended_at: float | None
    progress: float
    """0 to 1."""
    steps: list[CheckStep]


class ChecksDocument(TypedDict):
    """``GET checks``: newest first, the newest one of each GPU and kernel."""

    checks: list[CheckDocument]


# -- the lease ------------------------------------------------------------------------------


class LeaseQuota(TypedDict):
    """Hours of the quota; None is no limit."""

    gpu_hours_limit: float | None
    gpu_hours_used: float | None
    gpu_hours_left: float | None
    window_days: float | None


class LeaseIdle(TypedDict):
    """The idle countdown."""

    limit_minutes: float | None
    """None: idle sessions are not ended."""
    since: float | None
    """Since when the GPU has not been used; None: it is in use."""
    ends_at: float | None
    """When the session ends if it stays idle."""


class LeaseDocument(TypedDict):
    """``GET lease``, ``POST lease/extend`` and ``POST lease/release``."""

    managed: bool
    """Whether a gpudock hub started this server. If not, all else is empty."""
    lease: str | None
    """Its identity; None when this server was started without a GPU."""
    state: Literal["unmanaged", "no_lease", "ok", "stale", "unreachable", "refused"]
    """``stale``: the desk does not answer, these are its last words. ``refused``: this server's
    token may not ask."""
    message: str
    """One sentence for the user where the state is not ok."""
    fetched_at: float | None
    now: float
    """This server's clock, so that a countdown does not depend on the browser's."""
    gpus: list[str]
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
    """Path of the Hub's home page, where a server can be started and stopped."""
    desk: str | None
    """Path of gpudock's own page on the Hub."""
    can_restart: bool
    """Whether ``POST server/restart`` may be tried."""
    restart_page: str | None
    """Where to go then: the Hub's page that starts this server again with the choices of last time,
    as soon as it has ended. A ``next`` in its query is where the Hub leads afterwards."""


class ExtendRequest(TypedDict):
    """``POST lease/extend``: body, may be empty."""

    hours: NotRequired[float]


class RestartDocument(TypedDict):
    """``POST server/restart``: what happens now. The page will lose its server in a moment."""

    restarting: bool
    code: str | None
    """Why it is not restarted: as of any refusal."""
    hub_home: str | None
    """Where to go: the Hub starts the server again from there, or restarts it by hand."""
    message: str


class ErrorDocument(TypedDict):
    """Any refusal: the HTTP status tells the kind, ``code`` the case."""

    code: str
    parameters: dict[str, str]
    """What the words for the code tell, as :class:`CheckDocument` has them."""
    message: str
