"""A hub that lives in a test: a broker, and the tasks that its coroutines would be."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from gpudock.broker import Broker, BrokerConfig
from gpudock.hub.lifecycle import launch, perform, terminate
from gpudock.model import LeaseState
from gpudock.policy.scheduling.ordering import FirstCome
from gpudock.store import Store, StoreError
from state_machine.engine import Fate, Spec, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from doubles.clock import HandClock
    from doubles.inventory import SettableInventory
    from gpudock.broker import Action
    from gpudock.model import Lease, Quota
    from gpudock.store import Transaction
    from state_machine.engine import FakeEngine


# The tests are about logic, not about disks.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class FlakyStore(Store):
    """A store whose next writing transactions fail, at their begin or just before their commit.

    ``on_grant`` is called with every lease that is about to be granted, and the transaction.
    """

    failures = 0
    writes = 0
    _first: ClassVar[dict[str, Engine]] = {}

    def __init__(self, url: str, clock: Callable[[], float], *, durable: bool) -> None:
        super().__init__(url, clock, durable=durable)
        # Compiling the statements again for each test would take a third of a test's time.
        first = self._first.setdefault(self._engine.name, self._engine)
        self._engine.dialect = first.dialect
        self._engine._compiled_cache = first._compiled_cache

    on_grant: Callable[[Lease, Transaction], None] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        fails, at_once = self.failures > 0, self.failures % 2 == 0
        self.failures = max(0, self.failures - 1)
        if fails and at_once:
            raise StoreError("the disk is full")
        with super().transaction() as transaction:
            self._watch(transaction)
            yield transaction
            if fails:
                raise StoreError("the disk is full")
            self.writes += transaction.changed

    def _watch(self, transaction: Transaction) -> None:
        add = transaction.leases.add

        def check_and_add(lease: Lease) -> None:
            if lease.state is LeaseState.GRANTED and self.on_grant is not None:
                self.on_grant(lease, transaction)
            add(lease)

        transaction.leases.add = check_and_add


@cache
def migrated_database() -> Path:
    """Return a new lab's database, which is made once in each process. Copy it."""
    directory = Path(tempfile.mkdtemp(dir=IN_MEMORY, prefix="gpudock-template-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "template.sqlite"
    store = Store(f"sqlite:///{path}", durable=False)
    store.migrate()
    store.close()
    return path


class Database(Protocol):
    """The database of a lab, which can be lost, copied, and replaced by an older copy."""

    @property
    def url(self) -> str: ...

    def copy(self) -> None: ...

    def replace(self, how: str) -> None: ...


class DatabaseFile:
    """The file of a database, which can be lost, copied, and replaced by an older copy."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.path = directory / "gpudock.sqlite"
        self.template = template
        self.backup = directory / "backup.sqlite"
        shutil.copy(template, self.path)
        shutil.copy(template, self.backup)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def copy(self) -> None:
        """Copy the database, which nobody may have open."""
        self.backup.unlink(missing_ok=True)
        shutil.copy(self.path, self.backup)

    def replace(self, how: str) -> None:
        """Put a new one or the copy in place of the database, which nobody may have open.

        Args:
            how: ``lost`` or ``older``.
        """
        source = self.template if how == "lost" else self.backup
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(source, self.path)


class Hub:
    """One hub process."""

    def __init__(
        self,
        database: Database,
        engine: FakeEngine,
        inventory: SettableInventory,
        clock: HandClock,
        quota: Quota,
        new_id: Callable[[], str],
    ) -> None:
        self.engine = engine
        self.store = FlakyStore(database.url, clock, durable=False)
        self.broker = Broker(
            self.store,
            inventory,
            BrokerConfig(
                default_quota=quota, cool_down_seconds=10, new_id=new_id, ordering=FirstCome()
            ),
            clock=clock,
        )
        self.tasks: list[Task] = []

    def launch(self, lease: Lease) -> Task:
        return self._run(
            "launch", lease.id, launch(self.broker, self.engine, lease, Spec.of(lease))
        )

    def terminate(self, lease: Lease) -> Task:
        return self._run(
            "terminate", lease.id, terminate(self.broker, self.engine, lease, "stopped by its user")
        )

    def perform(self, actions: list[Action]) -> Task:
        return self._run("perform", "", perform(self.broker, self.engine, actions))

    def _run(self, what: str, lease_id: str, coroutine: object) -> Task:
        task = Task(what, lease_id, coroutine)
        self.tasks.append(task)
        self.tidy()
        return task

    def tidy(self) -> None:
        self.tasks = [task for task in self.tasks if not task.done]

    def finish(self, task: Task) -> None:
        """Run a task to its end on an engine that behaves."""
        while not task.done:
            task.advance(Fate.DONE)
        self.tidy()
