"""The fields of the spawn form: which GPUs are free, what the user may have, what waiting means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gpudock.model import GPUState, Place, WhenBusy
from gpudock.progress import latest_start_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpudock.broker import GPUStatus
    from gpudock.options import Offers
    from gpudock.policy.quota import EffectiveQuota

_MIB_PER_GB = 1024
_MOST_SELECTABLE = 64

BUSY_CHOICES = (
    (WhenBusy.WAIT, "Wait in the queue; the server starts by itself when it is my turn"),
    (WhenBusy.CPU, "Start now without a GPU"),
    (WhenBusy.FAIL, "Do not start"),
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """All GPUs of one model.

    Attributes:
        name: the model.
        memory: of each of them, for people.
        total: how many there are.
        free: how many are free.
        checked: how many are in nobody's hand but not free yet, for example because the last
            session on them has only just ended. They come free by themselves.
        unavailable: how many stay out of service until somebody acts.
    """

    name: str
    memory: str
    total: int
    free: int
    checked: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class FormView:
    """What the form's template shows."""

    images: Mapping[str, str]
    problem: str | None = None
    models: Sequence[ModelRow] = ()
    numbers: Sequence[int] = (0,)
    limit: str = ""
    outlook: str = ""
    chosen_gpus: int = 0
    chosen_model: str | None = None
    chosen_busy: str = WhenBusy.WAIT
    chosen_image: str | None = None
    busy_choices: Sequence[tuple[str, str]] = BUSY_CHOICES

    @property
    def free(self) -> int:
        """How many GPUs are free, of any model."""
        return sum(model.free for model in self.models)

    @property
    def total(self) -> int:
        """How many GPUs the lab has, of any model."""
        return sum(model.total for model in self.models)

    @classmethod
    def unavailable(cls, offers: Offers, problem: str) -> FormView:
        """Return the form for a lab that cannot say what it has."""
        return cls(images=offers.images, problem=problem)

    @classmethod
    def of(
        cls,
        *,
        offers: Offers,
        gpus: Iterable[GPUStatus],
        quota: EffectiveQuota,
        place: Place | None,
        problem: str | None,
        chosen: Mapping[str, Any],
        now: float,
    ) -> FormView:
        """Gather what the form shows.

        Args:
            offers: images and defaults of the lab.
            gpus: every GPU of the lab with its state.
            quota: the user's limits and what they use of them.
            place: where a request for one GPU would stand if it were made now; ``None`` when it
                would be granted at once.
            problem: a sentence on why GPUs cannot be read at the moment.
            chosen: the options of the user's last start.
            now: Unix time.
        """
        models = _rows(gpus)
        total = sum(model.total for model in models)
        limit = quota.quota.max_gpus
        most = min(_MOST_SELECTABLE, total, total if limit is None else limit)
        chosen_gpus = chosen.get("gpus")
        names = {model.name for model in models}
        return cls(
            images=offers.images,
            problem=problem,
            models=models,
            numbers=range(most + 1),
            limit=_limit_in_words(quota),
            outlook=_outlook(models, place, now),
            chosen_gpus=min(chosen_gpus if isinstance(chosen_gpus, int) else 1, most),
            chosen_model=chosen.get("gpu_model") if chosen.get("gpu_model") in names else None,
            chosen_busy=chosen.get("when_busy") or WhenBusy.WAIT,
            chosen_image=chosen.get("image"),
        )


def render_form(view: FormView) -> str:
    """Return the form's fields as HTML."""
    return _environment().get_template("spawn_form.html").render(view=view)


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("gpudock"), autoescape=True, undefined=StrictUndefined)


def _rows(gpus: Iterable[GPUStatus]) -> list[ModelRow]:
    by_model: dict[tuple[str, int], list[GPUStatus]] = {}
    for status in gpus:
        by_model.setdefault((status.gpu.model, status.gpu.memory_mib), []).append(status)
    return [
        ModelRow(
            name=name,
            memory=f"{round(memory_mib / _MIB_PER_GB)} GB",
            total=len(found),
            free=sum(status.state is GPUState.FREE for status in found),
            checked=sum(
                status.in_service and status.state not in (GPUState.FREE, GPUState.LEASED)
                for status in found
            ),
            unavailable=sum(not status.in_service for status in found),
        )
        for (name, memory_mib), found in sorted(by_model.items())
    ]


def _limit_in_words(quota: EffectiveQuota) -> str:
    limit = quota.quota.max_gpus
    if limit is None:
        words = "Your limit: none."
    else:
        words = f"Your limit: {limit} GPU{'' if limit == 1 else 's'} at once."
    if quota.used.gpus:
        words += f" You use {quota.used.gpus} now."
    return words


def _outlook(models: Sequence[ModelRow], place: Place | None, now: float) -> str:
    if not models:
        return ""
    if place is None:
        return "Yours starts at once."
    return (
        f"If you start now, you are number {place.position} in the queue. {place.reason}"
        f"{latest_start_in_words(place, now)}"
    )
