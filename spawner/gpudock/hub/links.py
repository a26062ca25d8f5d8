"""Whether a browser followed a link on a page of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


def comes_from_lab(headers: Mapping[str, str], host: str) -> bool:
    """Return whether a browser says that a page of the lab led to a request.

    Browsers say so in ``Sec-Fetch-Site``, but over plain HTTP only to localhost. Otherwise the
    page's address must be in ``Origin`` or ``Referer``. A page can leave its own address out, but
    cannot send another one; so a request without any address may come from anywhere.

    Args:
        headers: the request's, with names in any case.
        host: the lab's own host, with its port if there is one, as browsers see it.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    page = headers.get("Origin") or headers.get("Referer") or ""
    try:
        return bool(host) and urlsplit(page).netloc.lower() == host.lower()
    except ValueError:
        return False
