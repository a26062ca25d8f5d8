"""What the lead of a group may give its members: nothing that the group itself does not have.

Administrators set what a group has, by its quota and the default. Its lead may give a member as
much of that as they like, and may keep what an administrator gave the member in addition. What an
administrator limited for a member, a lead may lower, but not lift. Leads may not raise their own
limits. Boosts of a group or of the default do not count, because what a lead sets does not end with
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpudock.language import Message
from gpudock.policy.matching import matches
from gpudock.policy.quota.documents import BOOST, FIELDS, UNTIL, boost_end
from gpudock.policy.quota.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import Quota
    from gpudock.policy.quota.resolve import EffectiveQuota

_HOURS, _WINDOW, _MODELS = "gpu_hours", "window_days", "gpu_models"
_SINGLE = tuple(name for name in FIELDS if name not in (_HOURS, _WINDOW, _MODELS))

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody whose quota a lead may change.

    Attributes:
        led: the groups through which the lead may do so, of which the member has what they get.
        groups: all groups of the member.
    """

    led: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """Somebody who may change the quotas of some users, and of nobody else.

    Attributes:
        user: their own name; ``None`` for a service.
        members: by name those whose quotas they may change.
    """

    user: str | None
    members: Mapping[str, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A change of a user's document in the past.

    Attributes:
        before, after: the document; ``None`` where there was none.
        by_lead: whether the lead of a group made it, and not an administrator.
    """

    before: Document | None
    after: Document | None
    by_lead: bool


@dataclass(frozen=True, slots=True)
class Levels:
    """What holds where a user's own document says nothing.

    Attributes:
        base: the lab's shipped or configured default.
        default: the default level's document.
        groups: documents of groups by name.
        now: Unix time, for boosts.
    """

    base: Quota
    default: Document | None
    groups: Mapping[str, Document]
    now: float

    def of(self, groups: Iterable[str], *, boosts: bool) -> EffectiveQuota:
        """Return the limits of a user who is in *groups* and has no document."""
        found = {name: self.groups[name] for name in groups if name in self.groups}
        default = self.default
        if not boosts:
            found = {name: _own(document) for name, document in found.items()}
            default = None if default is None else _own(default)
        return resolve(self.base, default, found, None, self.now)


def set_by_administrators(changes: Iterable[DocumentChange], present: Document | None) -> Document:
    """Return what administrators set last of a user's document, whatever leads have set since.

    Args:
        changes: of the document, the oldest first.
        present: the document as it is.
    """
    found: dict[str, Any] | None = None
    for change in changes:
        before, after = change.before or {}, change.after or {}
        if found is None:
            # Of what there was before the first change it is not known who set it.
            found = dict(before)
        if change.by_lead:
            continue
        for name in before.keys() - after.keys():
            found.pop(name, None)
        found |= {
            name: value
            for name, value in after.items()
            if name not in before or value != before[name]
        }
    return dict(present or {}) if found is None else found


def refusal(
    lead: Lead,
    user: str,
    before: Document | None,
    after: Document | None,
    levels: Levels,
    given: Document | None = None,
) -> str | None:
    """Return why *lead* may not change a user's document from *before* to *after*.

    Args:
        lead: who changes it.
        user: whose document it is, one of the lead's members.
        before: the stored document; ``None``: there is none.
        after: the parsed document to be; ``None``: it is removed.
        levels: what the other levels say.
        given: what administrators set of it, see :func:`set_by_administrators`; ``None``: nothing.

    Returns:
        One or two sentences for the lead; ``None`` when they may.
    """
    member = lead.members[user]
    before, after = before or {}, after or {}
    for wanted, present in _forms(before, after, levels.now):
        if user == lead.user:
            for boosts in (False, True):
                problem = _raise(wanted, present, levels.of(member.groups, boosts=boosts))
                if problem is not None:
                    return problem
        problem = _excess(user, wanted, present, levels.of(member.led, boosts=False))
        if problem is not None:
            return problem
    for boosts in (False, True):
        inherited = levels.of(member.groups, boosts=boosts).quota
        for wanted, present, limits in _times(before, after, given or {}, levels.now):
            problem = _lift(user, wanted, present, limits, inherited)
            if problem is not None:
                return problem
    return None


def _times(
    before: Document, after: Document, given: Document, now: float
) -> Iterable[tuple[Document, Document, Document]]:
    """Return what is to hold, what held, and what administrators set, for each time to come."""
    documents = (after, before, given)
    ends = {boost_end(item[BOOST]) for item in documents if BOOST in item}
    for time in sorted({now, *(end for end in ends if end > now)}):
        wanted, present, limits = (
            _boosted(item) if BOOST in item and boost_end(item[BOOST]) > time else _own(item)
            for item in documents
        )
        yield wanted, present, limits


def _forms(before: Document, after: Document, now: float) -> Iterable[tuple[Document, Document]]:
    """Return what is to hold and what holds now, without boosts and while they last."""
    yield _own(after), _own(before)
    boost, former = after.get(BOOST), before.get(BOOST)
    if boost is None or boost_end(boost) <= now:
        return
    lasts = former is not None and boost_end(boost) <= boost_end(former)
    yield _boosted(after), _boosted(before) if lasts else _own(before)


def _own(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != BOOST}


def _boosted(document: Document) -> Document:
    boost = {name: value for name, value in document[BOOST].items() if name != UNTIL}
    return {**_own(document), **boost}


def _excess(user: str, wanted: Document, present: Document, bound: EffectiveQuota) -> str | None:
    """Return what of *wanted* exceeds the group's limits and is not in *present*."""
    quota = bound.quota

    def sentence(name: str, most: str) -> str:
        return Message(
            'You may set {name} of "{user}" {most}: that is what {whose} gives. Ask an'
            " administrator for more.",
            name=name,
            user=user,
            most=most,
            whose=_whose(bound.origin[name]),
        )

    for name in _SINGLE:
        if name not in wanted or not _more(wanted[name], getattr(quota, name)):
            continue
        if name not in present or _more(wanted[name], present[name]):
            limit = getattr(quota, name)
            return sentence(name, Message("to {limit:g} at most", limit=limit))
    if _MODELS in wanted and quota.gpu_models is not None:
        allowed = quota.gpu_models
        given = present.get(_MODELS, ())
        if given is not None and not _covered(wanted[_MODELS], (*allowed, *given)):
            models = ";".join(allowed) or Message("no model")
            return sentence(_MODELS, Message("to some of {models}", models=models))
    if _HOURS in wanted or _WINDOW in wanted:
        hours, most = _pair(wanted, quota), (quota.gpu_hours, quota.window_days)
        given_hours = _HOURS in present or _WINDOW in present
        if _more_hours(*hours, *most) and not (
            given_hours and not _more_hours(*hours, *_pair(present, quota))
        ):
            if quota.gpu_hours is None:
                return sentence(
                    _WINDOW, Message("to {days} at least", days=_days(quota.window_days))
                )
            most_hours = Message(
                "to {hours:g} in {days} at most",
                hours=quota.gpu_hours,
                days=_days(quota.window_days),
            )
            return sentence(_HOURS, most_hours)
    return None


def _raise(wanted: Document, present: Document, inherited: EffectiveQuota) -> str | None:
    """Return which of the lead's own limits would become higher."""
    for name in (*_SINGLE, _MODELS, _HOURS):
        if _is_higher(name, wanted, present, inherited.quota):
            return Message(
                "You may not raise your own limits, and {name} would be higher than it is. Ask an"
                " administrator.",
                name=name,
            )
    return None


def _lift(
    user: str, wanted: Document, present: Document, limits: Document, inherited: Quota
) -> str | None:
    """Return which limit of an administrator would become higher than it is, and than they set."""
    for name in (*_SINGLE, _MODELS, _HOURS):
        is_set = name in limits or (name == _HOURS and _WINDOW in limits)
        if (
            is_set
            and _is_higher(name, wanted, limits, inherited)
            and _is_higher(name, wanted, present, inherited)
        ):
            return Message(
                'An administrator has limited {name} of "{user}", and it would be higher than'
                " that. Ask an administrator for more.",
                name=name,
                user=user,
            )
    return None


def _is_higher(name: str, wanted: Document, limits: Document, inherited: Quota) -> bool:
    """Return whether *wanted* allows more of a field than *limits*, both over what is inherited."""
    if name == _HOURS:
        return _more_hours(*_pair(wanted, inherited), *_pair(limits, inherited))
    usual = getattr(inherited, name)
    value, limit = wanted.get(name, usual), limits.get(name, usual)
    if name == _MODELS:
        return limit is not None and not _covered(value, limit)
    return _more(value, limit)


def _more(value: float | None, limit: float | None) -> bool:
    return limit is not None and (value is None or value > limit)


def _pair(document: Document, quota: Quota) -> tuple[float | None, float | None]:
    """Return the hours and their window that a document comes to."""
    return document.get(_HOURS, quota.gpu_hours), document.get(_WINDOW, quota.window_days)


def _more_hours(
    hours: float | None, window: float | None, limit: float | None, limit_window: float | None
) -> bool:
    """Return whether hours in a window may exceed others: by number, or in a shorter window."""
    shorter = _length(window) < _length(limit_window)
    if limit is None:
        # Without a limit a window says nothing, until an administrator sets one for the group.
        return hours is None and shorter
    return hours is None or hours > limit or shorter


def _length(window: float | None) -> float:
    return math.inf if window is None else window


def _covered(patterns: Iterable[str] | None, allowed: Iterable[str]) -> bool:
    """Return whether patterns match only models that *allowed* ones match, as far as is known.

    One that is written otherwise counts only if both have no wildcard but ``*``.
    """
    allowed = tuple(allowed)
    return patterns is not None and all(
        any(
            pattern.lower() == other.lower()
            or (_is_plain(pattern, other) and matches(pattern, other))
            for other in allowed
        )
        for pattern in patterns
    )


def _is_plain(*patterns: str) -> bool:
    return not any(sign in pattern for pattern in patterns for sign in "?[")


def _whose(origin: str) -> str:
    _, _, groups = origin.partition(" ")
    return Message("the group {names}", names=groups) if groups else Message("the default quota")


def _days(window: float | None) -> str:
    return Message("all time") if window is None else Message("{days:g} days", days=window)
