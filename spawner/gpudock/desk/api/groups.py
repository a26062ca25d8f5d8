"""Groups, their members and their managers. The Hub stores them; its configuration may fix some."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import Field

from gpudock.config.configured_groups import MANAGERS
from gpudock.desk.endpoints import APIRequest, Audience, Router, not_for
from gpudock.desk.errors import ConflictError, NotFoundError
from gpudock.desk.hub_client import managers_of
from gpudock.desk.schema import ResponseModel
from gpudock.language import Message

if TYPE_CHECKING:
    from gpudock.config.configured_groups import ConfiguredGroups
    from gpudock.hub_api import HubGroup

router = Router()

# A group's managers are one list at the Hub, so changes of them come one after the other.
_changing = asyncio.Lock()


class Person(ResponseModel):
    """A member or a manager of a group."""

    name: str
    fixed: bool = Field(description="It comes from the Hub's configuration, and is changed there")


class Group(ResponseModel):
    """A group."""

    name: str
    fixed: bool = Field(description="It comes from the Hub's configuration")
    members: list[Person]
    managers: list[Person] = Field(description="They see the members' usage and set their quotas")
    manager_groups: list[str] = Field(
        description="All members of these groups are managers, too, by the Hub's configuration"
    )


class GroupList(ResponseModel):
    """Groups, by name."""

    groups: list[Group]
    from_sign_in: bool = Field(
        description="The sign-in service decides who is in which group, so members are set there"
    )
    users: list[str] = Field(description="Who can become a member; empty for other callers")


@router.add("GET", "groups", Audience.USER, answer=GroupList)
async def list_groups(request: APIRequest) -> GroupList:
    """List groups.

    All groups for those who may read everything; others get the groups that they manage.
    """
    reads = request.principal.reads
    if not reads.everyone and not reads.groups:
        raise not_for(Audience.READER)
    hub = request.backend.hub
    await hub.refresh()
    configured = request.backend.configured_groups()
    return GroupList(
        groups=[
            _shown(group, configured)
            for group in (await hub.groups()).values()
            if reads.everyone or group.name in reads.groups
        ],
        from_sign_in=configured.from_sign_in,
        users=sorted(await hub.users()) if request.principal.manages.everyone else [],
    )


@router.add("PUT", "groups/{name}", Audience.MANAGER, answer=Group, errors=(409,))
async def create_group(request: APIRequest) -> Group:
    """Create a group.

    It has no members yet. A group that exists already stays as it is.
    """
    name = request.path["name"]
    hub = request.backend.hub
    if await hub.group(name) is None:
        _check_members_are_set_here(request)
        await hub.change_group(hub.api.create_group(name))
        await _record(request, "group.create", None, {"members": []})
    return await _present(request)


@router.add("DELETE", "groups/{name}", Audience.MANAGER, errors=(409,))
async def delete_group(request: APIRequest) -> None:
    """Delete a group.

    Its members stay users, and its quota stays, too. The group need not exist.
    """
    name = request.path["name"]
    hub = request.backend.hub
    group = await hub.group(name)
    if group is None:
        return
    _check_members_are_set_here(request)
    if name in request.backend.configured_groups().members:
        raise _fixed(Message('The group "{name}"', name=name))
    await hub.change_group(hub.api.delete_group(name))
    await _record(request, "group.delete", {"members": list(group.users)}, None)


@router.add("PUT", "groups/{name}/members/{user}", Audience.MANAGER, answer=Group, errors=(409,))
async def add_member(request: APIRequest) -> Group:
    """Add a member to a group.

    The limits of the group count for the user from now on.
    """
    name, user = request.path["name"], request.path["user"]
    group = await _existing(request)
    if user not in group.users:
        _check_members_are_set_here(request)
        hub = request.backend.hub
        if await hub.user(user) is None:
            raise NotFoundError(Message('The Hub knows no user "{name}".', name=user))
        # The right of a former member of that name, who left by another way than this page.
        await _store_managers(request, user, manages=False)
        await hub.change_group(hub.api.add_to_group(name, user))
        await _record(request, "group.member", None, {"member": user})
    return await _present(request)


@router.add("DELETE", "groups/{name}/members/{user}", Audience.MANAGER, answer=Group, errors=(409,))
async def remove_member(request: APIRequest) -> Group:
    """Remove a member from a group.

    A manager who is no member any more is no manager either. The user need not be a member.
    """
    name, user = request.path["name"], request.path["user"]
    group = await _existing(request)
    if user in group.users:
        _check_members_are_set_here(request)
        if user in request.backend.configured_groups().members.get(name, ()):
            raise _fixed(Message('The membership of "{user}"', user=user))
        hub = request.backend.hub
        await _set_managers(request, user, manages=False)
        await hub.change_group(hub.api.remove_from_group(name, user))
        await _record(request, "group.member", {"member": user}, None)
    return await _present(request)


@router.add("PUT", "groups/{name}/managers/{user}", Audience.MANAGER, answer=Group, errors=(409,))
async def add_manager(request: APIRequest) -> Group:
    """Make a member a manager of the group.

    Managers see the sessions and the usage of the members, and set their quotas within the group's
    own limits. Only members can become managers.
    """
    user = request.path["user"]
    group = await _existing(request)
    if user not in group.users:
        raise ConflictError(
            Message(
                '"{user}" is not a member of the group "{group}". Add the user to it first.',
                user=user,
                group=group.name,
            )
        )
    await _set_managers(request, user, manages=True)
    return await _present(request)


@router.add(
    "DELETE", "groups/{name}/managers/{user}", Audience.MANAGER, answer=Group, errors=(409,)
)
async def remove_manager(request: APIRequest) -> Group:
    """Make a manager a plain member of the group.

    The user need not be a manager.
    """
    name, user = request.path["name"], request.path["user"]
    group = await _existing(request)
    configured = request.backend.configured_groups().managers.get(name, ())
    if user in configured and user not in managers_of(group):
        raise _fixed(Message('That "{user}" manages the group', user=user))
    await _set_managers(request, user, manages=False)
    return await _present(request)


async def _set_managers(request: APIRequest, user: str, *, manages: bool) -> None:
    """Add a member to the managers of the group in the path, or remove one from them."""
    if await _store_managers(request, user, manages=manages):
        change = (None, {"manager": user}) if manages else ({"manager": user}, None)
        await _record(request, "group.manager", *change)


async def _store_managers(request: APIRequest, user: str, *, manages: bool) -> bool:
    """Change whether a name is among the managers; return whether a member's right changed."""
    hub = request.backend.hub
    async with _changing:
        group = await _existing(request)
        stored = group.properties.get(MANAGERS)
        if (user in (stored if isinstance(stored, list) else [])) is manages:
            return False
        before = managers_of(group)
        after = sorted({*before, user} if manages else {*before} - {user})
        properties = {**group.properties, MANAGERS: after}
        await hub.change_group(hub.api.set_group_properties(group.name, properties))
        return (user in before) is not manages


async def _record(request: APIRequest, what: str, before: object, after: object) -> None:
    actor, target = request.principal.actor, f"group/{request.path['name']}"
    await request.backend.write(
        lambda broker: broker.audit.record(actor, what, target, before, after)
    )
    # What managers may do, and the limits of members, count from now on.
    await request.backend.hub.refresh()


async def _existing(request: APIRequest) -> HubGroup:
    """Return the group in the path as of now.

    Raises:
        NotFoundError: there is none.
    """
    group = await request.backend.hub.group(request.path["name"])
    if group is None:
        raise NotFoundError(Message('There is no group "{name}".', name=request.path["name"]))
    return group


async def _present(request: APIRequest) -> Group:
    return _shown(await _existing(request), request.backend.configured_groups())


def _check_members_are_set_here(request: APIRequest) -> None:
    if request.backend.configured_groups().from_sign_in:
        raise ConflictError(
            Message(
                "In this lab the sign-in service decides who is in which group"
                " (Authenticator.manage_groups). Change the groups there."
            )
        )


def _fixed(what: str) -> ConflictError:
    return ConflictError(
        Message(
            "{what} comes from the Hub's configuration, which would bring it back at the next"
            " start. Change it in jupyterhub_config.d.",
            what=what,
        )
    )


def _shown(group: HubGroup, configured: ConfiguredGroups) -> Group:
    members = configured.members.get(group.name, ())
    managers = configured.managers.get(group.name, ())
    here = managers_of(group)
    return Group(
        name=group.name,
        fixed=group.name in configured.members,
        members=[Person(name=name, fixed=name in members) for name in group.users],
        managers=[Person(name=name, fixed=name in managers) for name in sorted({*here, *managers})],
        manager_groups=list(configured.manager_groups.get(group.name, ())),
    )
