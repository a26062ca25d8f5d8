"""The steps by which a lease's container starts and ends.

They define what may be concluded from an engine's answers. The state machine tests drive the same
steps against an engine that misbehaves.

* A start is begin → create → bind → start → finish. The container is bound to its lease before it
  runs, and is started at most once. So a start that the engine carries out late finds a container
  that is removed, or one whose lease still has its devices. Devices that the engine cannot give to
  the container are reported to the broker before the lease ends, so that nobody else gets them.
* A stop is stop → engine stop → engine remove → proof → end. Proof is the engine's answer that
  there is no such container, or that it has exited. Any error is "unknown": the lease stays in
  state stopping, for the reconciler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from gpudock.broker import LeaseConflictError, StopContainer
from gpudock.engine.gpu_errors import recognize
from gpudock.engine.protocol import EngineError, EngineUnknown, NameTaken, S
from gpudock.hub.errors import LaunchFailed, NotDelivered
from gpudock.language import Message, message_of
from gpudock.model import ContainerState, LeaseState, is_gpu_uuid
from gpudock.store import EpochLostError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.broker import Action, Broker, RemoveContainer
    from gpudock.engine.protocol import ContainerEngine
    from gpudock.model import Lease, ObservedContainer

log = logging.getLogger(__name__)


async def launch(broker: Broker, engine: ContainerEngine[S], lease: Lease, spec: S) -> str:
    """Create and start the container of *lease*; return its id.

    A second call for a lease whose container runs returns that container. After any failure or
    cancellation the container is removed and the lease ended, if that can be proven; otherwise
    the lease is left stopping, for the reconciler.

    Raises:
        LeaseConflictError: the lease is over, or another call is starting its container.
        NotDelivered: the engine could not give the container its devices. A request that waits
            when the lab is busy has its place in the queue again.
        LaunchFailed: the container did not start; the message says why.
        EngineError: the lease has a container already, and it is not known whether that runs.
        StoreError: the database failed.
    """
    current = broker.leases.get(lease.id)
    if current is not None and current.state is LeaseState.ACTIVE and current.container_id:
        if not broker.leases.is_starting(lease.id) and await _runs(engine, current.container_id):
            return current.container_id
        message = Message("The lease {lease} already has or had a container.", lease=lease.id)
        raise LeaseConflictError(message)
    broker.leases.begin_container(lease.id)
    try:
        container_id = await _create_and_start(broker, engine, lease, spec)
    except NotDelivered as error:
        goes_on = _report(broker, lease, error)
        await _take_back(broker, engine, lease, spec, str(error))
        if goes_on:
            raise
        raise LaunchFailed(message_of(error)) from error
    except (EngineError, LaunchFailed) as error:
        await _take_back(broker, engine, lease, spec, str(error))
        raise LaunchFailed(_could_not_start(error)) from error
    except (Exception, asyncio.CancelledError) as error:
        why = "was cancelled" if isinstance(error, asyncio.CancelledError) else f"failed: {error}"
        await _take_back(broker, engine, lease, spec, f"its start {why}")
        raise
    else:
        broker.leases.delivered(lease)
        return container_id
    finally:
        broker.leases.finish_container(lease.id)


async def _create_and_start(
    broker: Broker, engine: ContainerEngine[S], lease: Lease, spec: S
) -> str:
    try:
        container_id = await _create(engine, lease, spec)
    except EngineError as error:
        raise await _what_failed(engine, lease, error) from error
    broker.leases.bind(lease.id, container_id)
    try:
        await engine.start(container_id)
    except EngineError as error:
        # Perhaps it started, and only the answer was lost.
        if not isinstance(error, EngineUnknown) or not await _runs(engine, container_id):
            raise await _what_failed(engine, lease, error) from error
    current = broker.leases.get(lease.id)
    if current is None or current.state is not LeaseState.ACTIVE:
        why = "its lease is gone" if current is None else current.end_reason
        raise LaunchFailed(Message("The server was stopped while it started: {why}.", why=why))
    return container_id


async def _what_failed(
    engine: ContainerEngine[S], lease: Lease, error: EngineError
) -> EngineError | NotDelivered:
    """Return what to raise for an error of the engine: one about its GPUs has a name of its own."""
    failure = recognize(str(error), lease.gpu_uuids)
    if failure is None:
        return error
    if failure.unlisted:
        with contextlib.suppress(EngineError):
            listed = await engine.listed_gpus()
            # Without any name that a lease could have, the specification itself is missing.
            general = listed is not None and not any(map(is_gpu_uuid, listed))
            failure = replace(failure, general=general)
    return NotDelivered(_could_not_start(error), failure)


def _could_not_start(error: Exception) -> str:
    return Message("The container could not be started: {error}", error=message_of(error))


def _report(broker: Broker, lease: Lease, error: NotDelivered) -> bool:
    """Report devices that were not delivered; return whether the start may go on with others."""
    try:
        return broker.leases.not_delivered(lease.id, str(error), error.failure)
    except StoreError as failed:
        # They are still in service, and the next start would get them again.
        log.warning("The GPUs of lease %s are not withdrawn: %s", lease.id, failed)
        return False


async def _create(engine: ContainerEngine[S], lease: Lease, spec: S) -> str:
    try:
        return await engine.create(spec)
    except NameTaken:
        found = await engine.inspect(spec.name)
        if found is not None and not _is_left_over(found, lease):
            raise
        # Left over from a hub that crashed. A start of it may still be on its way, so it must be
        # gone before another one is created.
        # Without force: if another hub has taken over the lease meanwhile, its container runs.
        await engine.remove(spec.name)
        return await engine.create(spec)
    except EngineUnknown:
        found = await engine.inspect(spec.name)
        if found is None or not _is_left_over(found, lease):
            raise
        return found.id


def _is_left_over(found: ObservedContainer, lease: Lease) -> bool:
    return found.lease_id == lease.id and found.state is ContainerState.CREATED


async def _runs(engine: ContainerEngine[S], container: str) -> bool:
    found = await engine.inspect(container)
    return found is not None and found.state is ContainerState.RUNNING


async def _take_back(
    broker: Broker, engine: ContainerEngine[S], lease: Lease, spec: S, reason: str
) -> None:
    """Undo a start; what is not proven undone is left to the reconciler."""
    try:
        broker.leases.stop(lease.id, reason)
    except EpochLostError as error:
        # The lease and its container are another hub's, which may have made it again by this name.
        log.warning("The start of lease %s is left to another hub: %s", lease.id, error)
        return
    except StoreError as error:
        # The broker catches up later; the container can be removed now.
        log.warning("The lease %s is not marked as stopping yet: %s", lease.id, error)
    try:
        # By name: the container may exist although its id is not known.
        gone = await _gone(engine, spec.name)
        current = broker.leases.get(lease.id)
        if gone and current is not None and current.container_id is not None:
            gone = await engine.inspect(current.container_id) is None
        if gone:
            broker.leases.end(lease.id, reason)
    except (EngineError, StoreError) as error:
        log.warning("The start of lease %s is not undone yet: %s", lease.id, error)


async def _gone(engine: ContainerEngine[S], container: str) -> bool:
    try:
        await engine.remove(container, force=True)
    except EngineError as error:
        log.info("Removing container %s: %s", container, error)
    return await engine.inspect(container) is None


async def terminate(
    broker: Broker, engine: ContainerEngine[S], lease: Lease, reason: str, grace: float = 10.0
) -> bool:
    """Stop and remove the container of *lease*, and end the lease with proof.

    Returns whether the lease has ended. If not, it is stopping, keeps its devices, and the
    reconciler continues. The container of another lease is never touched.

    Args:
        broker: the broker that granted the lease.
        engine: the engine that runs the container.
        lease: the lease, as it was when the caller last saw it.
        reason: why it ends, in a few words.
        grace: seconds between asking the container to exit and killing it.

    Raises:
        StoreError: the database failed.
    """
    broker.leases.stop(lease.id, reason)
    current = broker.leases.get(lease.id) or lease
    if current.state is LeaseState.ENDED:
        return True
    if broker.leases.is_starting(lease.id):
        # The start notices that its lease is over, and removes its container itself.
        return False
    if current.container_id is None:
        if broker.leases.was_begun(lease.id):
            return False
        broker.leases.end(lease.id, reason)
        return True
    try:
        proven = await _stopped_and_removed(engine, current.container_id, grace)
    except EngineError as error:
        log.warning("The end of container %s is not proven: %s", current.container_id, error)
        return False
    if proven:
        broker.leases.end(lease.id, reason)
    return proven


async def _stopped_and_removed(engine: ContainerEngine[S], container: str, grace: float) -> bool:
    try:
        await engine.stop(container, grace)
        await engine.remove(container, force=True)
    except EngineError as error:
        log.info("Stopping container %s: %s", container, error)
    found = await engine.inspect(container)
    return found is None or found.state is ContainerState.EXITED


async def perform(broker: Broker, engine: ContainerEngine[S], actions: Iterable[Action]) -> None:
    """Perform the actions of a reconciliation.

    The next look at the engine proves their effect; actions that failed are then requested again.
    """
    for action in actions:
        log.info("Container %s: %s.", action.name, action.why)
        try:
            if isinstance(action, StopContainer):
                await engine.stop(action.container_id)
            else:
                await engine.remove(action.container_id, force=True)
                if await engine.inspect(action.container_id) is None:
                    _end_if_bound(broker, action)
        except (EngineError, StoreError) as error:
            log.warning("Container %s: %s Trying again later.", action.name, error)


def _end_if_bound(broker: Broker, action: RemoveContainer) -> None:
    lease = broker.leases.get(action.lease_id)
    if lease is not None and lease.container_id == action.container_id:
        broker.leases.end(lease.id, action.why)
