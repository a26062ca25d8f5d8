"""The protocol of a container engine and its errors.

Importing this module imports neither the Docker client nor the broker::

    EngineError
    ├── EngineUnknown        no reliable answer: the effect may or may not come about
    │   └── EngineUnreachable    nothing listens at the engine's socket
    ├── EngineRefused        certain that nothing happened
    └── NameTaken            a container of that name exists
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from gpudock.language import Message

if TYPE_CHECKING:
    from gpudock.model import ObservedContainer


class EngineError(Exception):
    """The engine did not do what it was asked to do. The message is a sentence for a person."""


class EngineUnknown(EngineError):  # noqa: N818 - the name is the state of the effect
    """The engine gave no reliable answer: the effect may or may not come about."""


class EngineUnreachable(EngineUnknown):
    """Nothing listens at the engine's socket, or what listens hangs up."""


class EngineRefused(EngineError):  # noqa: N818 - as above
    """The engine refused, and it is certain that nothing happened."""


class NameTaken(EngineError):  # noqa: N818 - as above
    """A container of that name exists; :attr:`existing_id` is its id where it is known."""

    def __init__(self, existing_id: str | None) -> None:
        super().__init__(Message("A container of this name exists already."))
        self.existing_id = existing_id


class Spec(Protocol):
    """What a container is created from; only its name matters here."""

    @property
    def name(self) -> str:
        """The container's name, made from the lease's id."""
        ...


S = TypeVar("S", bound=Spec, contravariant=True)


class ContainerEngine(Protocol[S]):
    """A container engine. ``container`` is always an id or a name."""

    async def create(self, spec: S) -> str:
        """Create a container and return its id.

        Raises:
            NameTaken: there is one of that name.
            EngineRefused: nothing was created.
            EngineUnknown: it may exist, now or later.
        """
        ...

    async def start(self, container: str) -> None:
        """Start a container.

        Raises:
            EngineRefused: it was not started.
            EngineUnknown: it may run, now or later.
        """
        ...

    async def stop(self, container: str, grace: float = 10.0) -> None:
        """Stop a container; one that does not exist or run counts as stopped.

        Raises:
            EngineRefused: it was not stopped.
            EngineUnknown: it may still run.
        """
        ...

    async def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container; one that does not exist counts as removed.

        Raises:
            EngineRefused: it was not removed, for example because it runs.
            EngineUnknown: it may still exist.
        """
        ...

    async def inspect(self, container: str) -> ObservedContainer | None:
        """Return a container; ``None`` only when the engine proves that there is none.

        Raises:
            EngineError: the engine gave no proof either way.
        """
        ...

    async def listed_gpus(self) -> frozenset[str] | None:
        """Return the names of the GPUs in the engine's specification of devices.

        ``None``: the engine does not list them.

        Raises:
            EngineError: the engine gave no answer.
        """
        ...
