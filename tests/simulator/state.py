"""The simulated GPUs of one state file: reading it, changing it, writing it in one step."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator import format as text_format
from simulator.errors import SimulatorError
from simulator.gpus import Gpu, Process, Slice, System

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Simulator:
    """The state file of a directory.

    Every change is one atomic replacement, so that a reader sees the old state or the new one;
    changes by several processes come one after the other.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    @property
    def state_file(self) -> Path:
        """The file that the library reads: ``GPUDOCK_SIMULATOR_STATE``."""
        return self.directory / "state"

    def create(self, gpus: Iterable[Gpu] = (), system: System | None = None) -> Simulator:
        """Writes a new state, whatever was there before.

        GPUs that share an index are all renumbered, in the order given.
        """
        gpus = list(gpus)
        if len({gpu.index for gpu in gpus}) < len(gpus):
            gpus = [gpu.at(index) for index, gpu in enumerate(gpus)]
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._write(system or System(), gpus)
        return self

    @property
    def gpus(self) -> list[Gpu]:
        """The GPUs as the file describes them now."""
        return self._read()[1]

    @property
    def system(self) -> System:
        """The system section as it is now."""
        return self._read()[0]

    def gpu(self, key: int | str) -> Gpu:
        """The GPU with this index or UUID; SimulatorError where there is none."""
        return self.gpus[_find_gpu(self.gpus, key)]

    def update(self, key: int | str, **changes: Any) -> None:
        """Changes fields of the GPU, or of the MIG slice, with this index or UUID."""
        with self._locked():
            system, gpus = self._read()
            for position, gpu in enumerate(gpus):
                for place, piece in enumerate(gpu.slices):
                    if piece.uuid == key:
                        slices = list(gpu.slices)
                        slices[place] = _changed(piece, changes)
                        gpus[position] = dataclasses.replace(gpu, slices=tuple(slices))
                        return self._write(system, gpus)
            position = _find_gpu(gpus, key)
            gpus[position] = _changed(gpus[position], changes)
            return self._write(system, gpus)

    def update_system(self, **changes: Any) -> None:
        """Changes fields of the system section."""
        with self._locked():
            system, gpus = self._read()
            self._write(_changed(system, changes), gpus)

    def add_device(self, gpu: Gpu) -> None:
        """Adds a GPU, or puts it in the place of the one with its index."""
        with self._locked():
            system, gpus = self._read()
            others = [other for other in gpus if other.index != gpu.index]
            self._write(system, sorted([*others, gpu], key=lambda each: each.index))

    def remove_device(self, key: int | str) -> None:
        """Takes a GPU out; a holder of its handle sees a GPU that fell off the bus."""
        with self._locked():
            system, gpus = self._read()
            del gpus[_find_gpu(gpus, key)]
            self._write(system, gpus)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.directory.is_dir():
            raise self._nothing_here()
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _nothing_here(self) -> SimulatorError:
        return SimulatorError(
            f"There are no simulated GPUs at {self.directory}: install or create some first."
        )

    def _read(self) -> tuple[System, list[Gpu]]:
        try:
            text = self.state_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise self._nothing_here() from None
        system, gpus = text_format.parse(text)
        return System(**system), [_gpu_from(each) for each in gpus]

    def _write(self, system: System, gpus: Sequence[Gpu]) -> None:
        text = text_format.render(_fields_of(system), [_plain(gpu) for gpu in gpus])
        fresh = self.directory / f".state-{os.getpid()}"
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        # A file system's own time stamps are coarse; this one differs at every change, so that no
        # change is missed.
        now = time.time_ns()
        os.utime(fresh, ns=(now, now))
        fresh.replace(self.state_file)


def _find_gpu(gpus: Sequence[Gpu], key: int | str) -> int:
    for position, gpu in enumerate(gpus):
        if key in (gpu.index, gpu.uuid):
            return position
    known = ", ".join(str(gpu.index) for gpu in gpus) or "none"
    raise SimulatorError(
        f"There is no simulated GPU {key!r}; the state has these indices: {known}."
    )


def _changed(record: Any, changes: dict[str, Any]) -> Any:
    known = {each.name for each in dataclasses.fields(record)}
    for name in changes:
        if name not in known:
            raise SimulatorError(
                f"{name!r} is not a field of {type(record).__name__}; "
                f"it has {', '.join(sorted(known))}."
            )
    changes = dict(changes)
    for name in ("processes", "slices", "throttle"):
        if name in changes:
            changes[name] = tuple(changes[name])
    return dataclasses.replace(record, **changes)


def _fields_of(record: Any) -> dict[str, Any]:
    """The record's fields as they are; ``asdict`` would take waves apart too."""
    return {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}


def _plain(gpu: Gpu) -> dict[str, Any]:
    plain = _fields_of(gpu)
    plain["processes"] = [_fields_of(process) for process in gpu.processes]
    plain["slices"] = [
        _fields_of(piece) | {"processes": [_fields_of(process) for process in piece.processes]}
        for piece in gpu.slices
    ]
    return plain


def _gpu_from(plain: dict[str, Any]) -> Gpu:
    slices = tuple(
        Slice(**piece | {"processes": tuple(Process(**each) for each in piece["processes"])})
        for piece in plain["slices"]
    )
    processes = tuple(Process(**each) for each in plain["processes"])
    return Gpu(**plain | {"processes": processes, "slices": slices})
