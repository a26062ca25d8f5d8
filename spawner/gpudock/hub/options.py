"""Spawn options, checked before anything happens.

The form, query parameters and REST bodies all end here. Their values are hostile until parsed: a
number may be text, a list, a float, a boolean or thirty digits long.
"""

from __future__ import annotations

import difflib
import enum
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gpudock.hub.errors import OptionError
from gpudock.language import Message, sentences
from gpudock.model import MAX_GPUS, Share, WhenBusy

if TYPE_CHECKING:
    from collections.abc import Mapping

E = TypeVar("E", bound=enum.StrEnum)

_NAMES = ("image", "gpus", "gpu_model", "share", "when_busy", "remember")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_MODEL_PATTERN = re.compile(r"[\w .:/*?()\[\]+-]{1,100}")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Offers:
    """What a lab offers to choose from.

    Attributes:
        images: label to image name; the first is the default.
        default_gpus: GPUs of a server when the options name no number.
    """

    images: Mapping[str, str]
    default_gpus: int = 1


@dataclass(frozen=True, slots=True)
class SpawnOptions:
    """Valid spawn options; the fields are those of the REST contract.

    ``remember`` is whether the next spawn form shows them as chosen.
    """

    image: str
    gpus: int
    gpu_model: str | None = None
    share: Share = Share.EXCLUSIVE
    when_busy: WhenBusy = WhenBusy.WAIT
    remember: bool = True

    def as_user_options(self) -> dict[str, Any]:
        """Return the options as the Hub stores them (JSON)."""
        values = asdict(self)
        if self.remember:
            del values["remember"]
        return {name: str(v) if isinstance(v, str) else v for name, v in values.items()}


def parse(raw: Mapping[str, Any], offers: Offers) -> SpawnOptions:
    """Check raw spawn options against what the lab offers.

    Raises:
        OptionError: for the first value that is not valid.
    """
    unknown = [str(name) for name in raw if name not in _NAMES]
    if unknown:
        near = difflib.get_close_matches(unknown[0], _NAMES, n=1)
        hint = (
            Message('Did you mean "{name}"?', name=near[0])
            if near
            else Message("The options are {names}.", names=", ".join(_NAMES))
        )
        message = Message('There is no option "{name}".', name=_shown(unknown[0]))
        raise OptionError(sentences(message, hint))
    return SpawnOptions(
        image=_image(_given(raw, "image"), offers.images),
        gpus=_gpus(_given(raw, "gpus"), offers.default_gpus),
        gpu_model=_model(_given(raw, "gpu_model")),
        share=_choice(_given(raw, "share"), Share, Share.EXCLUSIVE, "share"),
        when_busy=_choice(_given(raw, "when_busy"), WhenBusy, WhenBusy.WAIT, "when_busy"),
        remember=_flag(_given(raw, "remember"), default=True, name="remember"),
    )


def parse_remembered(raw: Mapping[str, Any], offers: Offers) -> SpawnOptions:
    """Return the options of an earlier start; what the lab offers no longer gets its default.

    A client of the API may have sent anything.
    """
    valid = {}
    for name, value in raw.items():
        with suppress(OptionError):
            parse({name: value}, offers)
            valid[name] = value
    return parse(valid, offers)


def _given(raw: Mapping[str, Any], name: str) -> Any:
    """Return one value; forms and query strings send lists, which may have one item."""
    value = raw.get(name)
    if isinstance(value, list | tuple):
        if len(value) > 1:
            message = Message(
                'The option "{name}" was given {times} times. Give it once.',
                name=name,
                times=len(value),
            )
            raise OptionError(message)
        value = value[0] if value else None
    if isinstance(value, str):
        value = value.strip()
    return None if value == "" else value


def _gpus(value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_GPUS:
        message = Message(
            '"{value}" is not a number of GPUs. Give a whole number from 0 to {most}; 0 starts a '
            "server without a GPU.",
            value=_shown(value),
            most=MAX_GPUS,
        )
        raise OptionError(message)
    return value


def _image(value: Any, images: Mapping[str, str]) -> str:
    if value is None:
        return next(iter(images.values()))
    if isinstance(value, str):
        if value in images:
            return images[value]
        if value in images.values():
            return value
    message = Message(
        'The image "{value}" is not on this lab\'s list. Choose one of: {images}.',
        value=_shown(value),
        images=", ".join(images.values()),
    )
    raise OptionError(message)


def _model(value: Any) -> str | None:
    if value is None or value in ("any", "*"):
        return None
    if not isinstance(value, str) or not _MODEL_PATTERN.fullmatch(value):
        message = Message(
            '"{value}" is not a GPU model. Give a name such as "A100", or leave it out to take any '
            "model.",
            value=_shown(value),
        )
        raise OptionError(message)
    return value


def _choice(value: Any, choices: type[E], default: E, name: str) -> E:
    if value is None:
        return default
    if isinstance(value, str) and value in set(choices):
        return choices(value)
    message = Message(
        '"{value}" is not a valid value for the option "{name}". Choose one of: {choices}.',
        value=_shown(value),
        name=name,
        choices=", ".join(choices),
    )
    raise OptionError(message)


def _flag(value: Any, *, default: bool, name: str) -> bool:
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if value in ("yes", "no"):
        return bool(value == "yes")
    message = Message(
        '"{value}" is not a valid value for the option "{name}". Use yes or no.',
        value=_shown(value),
        name=name,
    )
    raise OptionError(message)


def _shown(value: Any) -> str:
    """Return a value to quote in a message: short, on one line, and printable."""
    text = str(value) if isinstance(value, str) else repr(value)[: 4 * _SHOWN]
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
