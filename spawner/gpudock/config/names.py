"""Names of Docker objects, derived from user names.

A Hub user name is Unicode of up to 255 characters, chosen by the user or by an identity provider.
Docker names are ASCII and end up in host names, paths and shell lines. The mapping must be
injective, so that no user can reach another user's volume by a clever choice of name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_READABLE_LENGTH = 24
# 80 bits, so that nobody can search for a user name that collides.
_DIGEST_LENGTH = 20
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")
# A plain name that looks like the slug of another name gets a digest too.
_LOOKS_DERIVED = re.compile(rf".*-[0-9a-f]{{{_DIGEST_LENGTH}}}|user")


def slug(name: str) -> str:
    """Return a short ASCII name for *name*, always the same, and different for different names.

    A plain name (lower-case letters, digits and inner dashes, at most 24 characters) stays as it
    is, so that volumes can be recognized. Any other name keeps its readable part and gets a part of
    its SHA-256 digest. The result has at most 45 characters and starts and ends with a letter or
    digit.
    """
    if _PLAIN.fullmatch(name) and "--" not in name and not _LOOKS_DERIVED.fullmatch(name):
        return name
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:_READABLE_LENGTH].strip("-")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{readable or 'user'}-{digest}"


def container_name(lab: str, user: str, lease_id: str) -> str:
    """Return the only name that the container of a lease can have.

    Docker refuses a second container of the same name. So the name is the lock that limits a lease
    to one container, however often a call is repeated.
    """
    return f"{lab}-{slug(user)}-{lease_id}"


def agent_name(lab: str) -> str:
    """Return the name of the agent's container, which is also its name on Docker networks."""
    return f"{lab}-agent"
