"""The navigation that all pages of a lab have, those of the Hub and those of the desk."""

from __future__ import annotations

from dataclasses import dataclass

from gpudock.config.shared_volume import desk_prefix
from gpudock.language import Message


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the navigation.

    Attributes:
        key: identifies the page.
        title: the text.
        url: the path of the page, from the root of the host.
    """

    key: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may open.

    Attributes:
        reads_quotas: the quotas of everybody, or of a group.
        reads_lab: everything in the lab.
        administers: the Hub's page for administrators.
        approves: the accounts.
        has_password: whether the lab keeps the password, so that it can be changed here.
    """

    reads_quotas: bool = False
    reads_lab: bool = False
    administers: bool = False
    approves: bool = False
    has_password: bool = False


def links(base_url: str, rights: Rights) -> list[Link]:
    """Return the links for a user of the lab at *base_url*, in their order."""
    desk, hub = desk_prefix(base_url), f"{base_url}hub/"
    every = (
        (True, Link("mine", Message("My GPUs"), desk)),
        (True, Link("lab", Message("Lab"), f"{desk}lab")),
        (rights.reads_quotas, Link("quotas", Message("Quotas"), f"{desk}quotas")),
        (True, Link("usage", Message("Usage"), f"{desk}usage")),
        (rights.reads_lab, Link("sessions", Message("Sessions"), f"{desk}sessions")),
        (rights.reads_lab, Link("audit", Message("Audit"), f"{desk}audit")),
        (rights.approves, Link("accounts", Message("Accounts"), f"{hub}authorize")),
        (rights.administers, Link("admin", Message("Admin"), f"{hub}admin")),
        (True, Link("token", Message("Token"), f"{hub}token")),
        (rights.has_password, Link("password", Message("Password"), f"{hub}change-password")),
    )
    return [link for is_open, link in every if is_open]
