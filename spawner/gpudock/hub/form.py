"""The fields of the spawn form: free GPUs, the user's limits, and the queue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gpudock.hub.options import SpawnOptions
from gpudock.hub.outlook import Outlook
from gpudock.language import Message, counted, sentences
from gpudock.language.templates import Translated
from gpudock.model import MAX_GPUS, GPUState, Share, WhenBusy
from gpudock.policy.gpu_health import without_slices
from gpudock.policy.scheduling.reasons import ONE_SLICE
from gpudock.policy.sessions import session_hours

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from gpudock.broker import GPUStatus
    from gpudock.hub.options import Offers
    from gpudock.model import Quota
    from gpudock.policy.quota.resolve import EffectiveQuota

_MIB_PER_GIB = 1024

BUSY_CHOICES = (
    (WhenBusy.WAIT, Message("Wait in the queue; the server starts by itself when it is my turn")),
    (WhenBusy.CPU, Message("Start now without a GPU")),
    (WhenBusy.FAIL, Message("Do not start")),
)

_NO_SLICES = Message(
    "MIG mode is on without slices: an administrator has to create some or turn it off."
)

SHARE_CHOICES = (
    (Share.EXCLUSIVE, Message("GPUs of my own")),
    (Share.SHARED, Message("A slot of one shared GPU; others use its memory as well")),
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """All GPUs of one model; shared ones have a row of their own.

    Attributes:
        name: the model.
        memory: memory of one GPU, as text.
        shared: whether they are given in slots; the numbers then count slots.
        total: how many there are.
        free: how many are free.
        checked: how many are not leased but not free yet, for example because the last session on
            them has just ended. They become free without intervention.
        unavailable: how many are out of service.
        sliced: whether they are MIG slices, of which a server gets one at most.
        simulated: whether they are simulated, and compute nothing.
        note: what keeps some of them from everybody, if a person has to act; empty otherwise.
    """

    name: str
    memory: str
    shared: bool
    total: int
    free: int
    checked: int
    unavailable: int
    sliced: bool = False
    simulated: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class FormView:
    """The values of the form's template.

    Attributes:
        images: label to image name.
        problem: a sentence on why GPUs cannot be read; ``None`` if they can.
        models: the GPUs by model; empty while they are not known.
        numbers: the numbers of GPUs to choose from.
        limit: the user's limits in words.
        outlook: what a start with the chosen values would come to.
        remember: whether the next form shows what is chosen in this one.
        shares_files: whether to show that the user's servers have the same files.
        server: the server's name; empty for the default server.
    """

    images: Mapping[str, str]
    problem: str | None = None
    models: Sequence[ModelRow] = ()
    numbers: Sequence[int] = (0,)
    limit: str = ""
    outlook: Outlook | None = None
    remember: bool = True
    shares_files: bool = False
    server: str = ""
    chosen_gpus: int = 0
    chosen_model: str | None = None
    chosen_busy: str = WhenBusy.WAIT
    chosen_image: str | None = None
    chosen_share: str = Share.EXCLUSIVE
    busy_choices: Sequence[tuple[str, str]] = BUSY_CHOICES
    share_choices: Sequence[tuple[str, str]] = SHARE_CHOICES
    one_slice: str = ONE_SLICE

    @property
    def free(self) -> int:
        """Number of free GPUs of all models, without shared ones."""
        return sum(model.free for model in self.models if not model.shared)

    @property
    def total(self) -> int:
        """Number of GPUs of all models, without shared ones."""
        return sum(model.total for model in self.models if not model.shared)

    @property
    def slices(self) -> bool:
        """Whether some of the GPUs are MIG slices."""
        return any(model.sliced for model in self.models)

    @property
    def slots(self) -> int:
        """Number of slots of shared GPUs."""
        return sum(model.total for model in self.models if model.shared)

    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return list(dict.fromkeys(model.name for model in self.models))

    @property
    def chosen(self) -> SpawnOptions:
        """The options of a start with what is chosen."""
        images = list(self.images.values())
        return SpawnOptions(
            image=self.chosen_image if self.chosen_image in images else images[0],
            gpus=self.chosen_gpus,
            gpu_model=self.chosen_model,
            share=Share(self.chosen_share),
            when_busy=WhenBusy(self.chosen_busy),
        )

    @property
    def has_gpus(self) -> bool:
        """Whether the lab has GPUs, as far as is known, or may have them."""
        return bool(self.models) or len(self.numbers) > 1

    @classmethod
    def unavailable(
        cls, offers: Offers, problem: str, chosen: Mapping[str, Any], *, shares_files: bool = False
    ) -> FormView:
        """Return the form of a lab whose GPUs are not known yet.

        What is chosen is requested once they are, so nobody gets a server without a GPU unasked.
        The next form does not show it: nobody could see what there is to choose from.

        Args:
            offers: images and defaults of the lab.
            problem: a sentence on why the GPUs are not known.
            chosen: the options to show as chosen.
            shares_files: see :class:`FormView`.
        """
        gpus = chosen.get("gpus", offers.default_gpus)
        view = cls(
            images=offers.images,
            problem=problem,
            numbers=range(max(gpus, offers.default_gpus) + 1),
            chosen_gpus=gpus,
            chosen_busy=chosen.get("when_busy") or WhenBusy.WAIT,
            chosen_image=chosen.get("image"),
            remember=False,
            shares_files=shares_files,
        )
        return replace(view, outlook=Outlook.of_unknown_gpus(view.chosen))

    @classmethod
    def of(
        cls,
        *,
        offers: Offers,
        gpus: Iterable[GPUStatus],
        quota: EffectiveQuota,
        outlook: Callable[[SpawnOptions], Outlook],
        problem: str | None,
        chosen: Mapping[str, Any],
        refused: bool = False,
        shares_files: bool = False,
        simulated: Container[str] = (),
    ) -> FormView:
        """Return the form of a lab.

        Args:
            offers: images and defaults of the lab.
            gpus: every GPU of the lab with its state.
            quota: the user's limits and their usage.
            outlook: returns what a start with some options would come to now.
            problem: a sentence on why GPUs cannot be read at the moment.
            chosen: the options of the user's last start, or of a start that was just refused.
            refused: whether they were just refused. They are shown as they were, and the Hub's page
                says why.
            shares_files: see :class:`FormView`.
            simulated: the UUIDs of the GPUs that are simulated.
        """
        models = _rows(gpus, simulated)
        whole = sum(model.total for model in models if not model.shared and not model.sliced)
        # A server gets one slot of a shared GPU, or one slice.
        total = max(whole, min(1, len(models)))
        most = min(MAX_GPUS, total, *_limits(quota))
        share = chosen.get("share") or Share.EXCLUSIVE
        if not any(model.shared == (share == Share.SHARED) for model in models):
            share = Share.SHARED if any(model.shared for model in models) else Share.EXCLUSIVE
        chosen_gpus = chosen.get("gpus")
        number = min(chosen_gpus if isinstance(chosen_gpus, int) else 1, most)
        if not refused:
            number = max(0, min(number, _left(quota), 1 if share == Share.SHARED else number))
        names = {model.name for model in models}
        view = cls(
            images=offers.images,
            problem=problem,
            models=models,
            numbers=range(most + 1),
            limit=_limit_in_words(quota),
            chosen_gpus=number,
            chosen_model=chosen.get("gpu_model") if chosen.get("gpu_model") in names else None,
            chosen_busy=chosen.get("when_busy") or WhenBusy.WAIT,
            chosen_image=chosen.get("image"),
            chosen_share=share,
            shares_files=shares_files,
        )
        if refused or not models:
            return view
        return replace(view, outlook=outlook(view.chosen))


def render_form(view: FormView) -> str:
    """Return the form's fields as HTML."""
    return _environment().get_template("spawn_form.html").render(view=view)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gpudock.hub"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[Translated],
    )


def _rows(gpus: Iterable[GPUStatus], simulated: Container[str]) -> list[ModelRow]:
    by_model: dict[tuple[str, int, bool], list[GPUStatus]] = {}
    for status in gpus:
        key = (status.gpu.model, status.gpu.memory_mib, status.slots > 1)
        by_model.setdefault(key, []).append(status)
    return [
        ModelRow(
            name=name,
            memory=f"{round(memory_mib / _MIB_PER_GIB)} GiB",
            shared=shared,
            total=sum(status.slots for status in found),
            free=sum(
                status.slots - len(status.leases)
                for status in found
                if status.state is GPUState.FREE or (shared and status.state is GPUState.LEASED)
            ),
            checked=sum(
                status.slots
                for status in found
                if status.in_service and status.state not in (GPUState.FREE, GPUState.LEASED)
            ),
            unavailable=sum(status.slots for status in found if not status.in_service),
            sliced=any(status.gpu.parent_uuid is not None for status in found),
            simulated=any(status.gpu.uuid in simulated for status in found),
            note=next((_NO_SLICES for status in found if _has_no_slices(status)), ""),
        )
        for (name, memory_mib, shared), found in sorted(by_model.items())
    ]


def _has_no_slices(status: GPUStatus) -> bool:
    return status.reason == without_slices(status.gpu)


def _limits(quota: EffectiveQuota) -> list[int]:
    """Return how many GPUs each limit allows a server at most."""
    caps = [cap.max_gpus for cap in quota.caps]
    return [limit for limit in (quota.quota.max_gpus, *caps) if limit is not None]


def _left(quota: EffectiveQuota) -> int:
    """Return how many more GPUs the user's own limit allows now."""
    limit = quota.quota.max_gpus
    return MAX_GPUS if limit is None else limit - (quota.used.gpus - quota.used.stopping)


def _limit_in_words(quota: EffectiveQuota) -> str:
    limit = quota.quota.max_gpus
    words: list[str] = []
    if limit is None:
        words.append(Message("Your limit: none."))
    else:
        words.append(
            counted("Your limit: {n} GPU at once.", "Your limit: {n} GPUs at once.", limit)
        )
    if quota.used.gpus:
        words.append(Message("You use {gpus} now.", gpus=quota.used.gpus))
    hours, days = quota.quota.gpu_hours, quota.quota.window_days
    if hours is not None:
        left = max(0.0, hours - quota.used.gpu_hours)
        words.append(
            Message("{left:.1f} of your {hours:g} GPU-hours are left.", left=left, hours=hours)
            if days is None
            else counted(
                "{left:.1f} of your {hours:g} GPU-hours in {n:g} day are left.",
                "{left:.1f} of your {hours:g} GPU-hours in {n:g} days are left.",
                days,
                left=left,
                hours=hours,
            )
        )
    return sentences(*words, _session_in_words(quota.quota))


def _session_in_words(quota: Quota) -> str:
    usual, longest = session_hours(quota), quota.max_session_hours
    if usual is None:
        return ""
    length = _hours_in_words(usual)
    if longest is None:
        return Message("A session lasts {length}, extendable without limit.", length=length)
    if usual < longest:
        return Message(
            "A session lasts {length}, extendable to {longest}.",
            length=length,
            longest=_hours_in_words(longest),
        )
    return Message("A session lasts {length}.", length=length)


def _hours_in_words(hours: float) -> str:
    minutes = max(1, round(hours * 60))
    if minutes >= 120 or minutes % 60 == 0:
        return Message("{hours:g} h", hours=round(hours, 1))
    return Message("{minutes} min", minutes=minutes)
