"""Parsers of settings, one for each kind of value.

A parser takes the text of a setting and returns its value, or raises ValueError with a hint on what
to write instead.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_BYTES = 1024
"""A longer password is no safer."""
MIN_MEMORY_MIB = 512
MAX_LAB_NAME = 40
MAX_MEMORY_MIB = 64 * 1024**2
"""No host has more; a larger size is a typing error."""

Parser = Callable[[str], Any]


@dataclass(frozen=True)
class Image:
    """An image that users may choose.

    Attributes:
        label: its name in the spawn form.
        name: the image's reference.
        own_user: whether its containers run as the user that the image names, which may be root,
            and not as the user 1000.
    """

    label: str
    name: str
    own_user: bool = False


@dataclass(frozen=True)
class Workspaces:
    """Where users' workspaces are.

    Attributes:
        kind: named Docker volumes, or directories of the host.
        pattern: the volume's name or the directory's path, with ``{user}`` once.
    """

    kind: Literal["volume", "directory"]
    pattern: str

    def source(self, slug: str) -> str:
        """Return the volume or directory of the user whose safe, unique name is ``slug``."""
        return self.pattern.replace("{user}", slug)


def integer(low: int, high: int) -> Parser:
    """Whole numbers from ``low`` to ``high``."""

    def parse(value: str) -> int:
        number = int(value) if re.fullmatch(r"-?[0-9]{1,9}", value) else None
        if number is None or not low <= number <= high:
            raise ValueError(f"give a whole number from {low} to {high}")
        return number

    return parse


def number(low: float, high: float) -> Parser:
    """Decimal numbers from ``low`` to ``high``."""

    def parse(value: str) -> float:
        number = float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) else None
        if number is None or not low <= number <= high:
            raise ValueError(f"give a number from {low:g} to {high:g}")
        return number

    return parse


def or_word(words: Mapping[str, Any], parse: Parser) -> Parser:
    """Map some words to their values, and pass anything else to ``parse``."""
    return lambda value: words[value] if value in words else parse(value)


def switch(value: str) -> bool:
    """Yes or no."""
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in words:
        raise ValueError("write yes or no")
    return words[value.lower()]


def mebibytes(value: str) -> int:
    """Sizes such as ``512M`` or ``32G``, as MiB."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([MGT])(?:i?B)?", value, re.IGNORECASE)
    if match is None:
        raise ValueError("give a size such as 512M or 32G")
    size = int(float(match[1]) * {"M": 1, "G": 1024, "T": 1024**2}[match[2].upper()])
    if size > MAX_MEMORY_MIB:
        raise ValueError("give at most 64T")
    return size


def shared_memory(value: str) -> int:
    """Sizes, as MiB, that are not 0, for which Docker would take its own default."""
    size = mebibytes(value)
    if size < 1:
        raise ValueError("give at least 1M")
    return size


def memory(value: str) -> int:
    """Sizes, as MiB, that are large enough for JupyterLab."""
    size = mebibytes(value)
    if size < MIN_MEMORY_MIB:
        raise ValueError(f"JupyterLab needs at least {MIN_MEMORY_MIB}M")
    return size


def absolute_path(value: str) -> Path:
    """Absolute paths, whether or not they exist."""
    if not value.startswith("/") or "\0" in value:
        raise ValueError("give an absolute path, which starts with /")
    return Path(value)


def lab_name(value: str) -> str:
    """Names that fit into the navigation of a page."""
    if len(value) > MAX_LAB_NAME or not value.isprintable():
        raise ValueError(f"give at most {MAX_LAB_NAME} characters, in one line")
    return value


def logo_file(value: str) -> str:
    """Names of files, whether or not they exist."""
    if not re.fullmatch(r"[\w][\w.@ -]{0,99}", value, re.ASCII) or value.endswith((".py", " ")):
        raise ValueError(
            "give the name of an image file in the folder jupyterhub_config.d, such as logo.svg"
        )
    return value


def web_address(value: str) -> str:
    """URLs of web servers, without a slash at the end."""
    try:
        address = urlsplit(value)
        is_valid = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:  # of brackets or the port
        is_valid = False
    if not is_valid:
        raise ValueError(
            "give a URL that starts with http:// or https://, with an IPv6 address in brackets"
        )
    return value.rstrip("/")


def base_path(value: str) -> str:
    """Paths of URLs, with a slash at both ends."""
    if not re.fullmatch(r"/(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}/){0,8}", value):
        raise ValueError(
            "give a path of letters, digits and . _ - with a slash at both ends, such as /jupyter/"
        )
    return value


def database(value: str) -> str:
    """SQLAlchemy URLs of databases that the store can use."""
    scheme = value.partition("://")[0]
    if scheme == "sqlite":
        if not value.startswith("sqlite:////"):
            raise ValueError(
                "give SQLite an absolute path: sqlite:////srv/gpudock/shared/gpudock.sqlite"
            )
    elif scheme not in {"postgresql", "postgresql+psycopg"} or not urlsplit(value).path.strip("/"):
        raise ValueError(
            "give sqlite:////absolute/path or postgresql://user:password@host/database"
        )
    return value


def user_name(value: str) -> str:
    """User names, as JupyterHub normalizes them."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,63}", value):
        raise ValueError(
            "give at most 64 of the characters a-z, 0-9 and . _ @ - that start with a letter or"
            " digit"
        )
    return value


def password(value: str) -> str:
    """Passwords that are long enough, and not too long."""
    if len(value) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"give at least {MIN_PASSWORD_LENGTH} characters")
    if len(value.encode()) > MAX_PASSWORD_BYTES:
        raise ValueError(f"give at most {MAX_PASSWORD_BYTES} characters")
    return value


def token(value: str) -> str:
    """Secrets that fit into an HTTP header and cannot be guessed."""
    if not re.fullmatch(r"[!-~]{16,256}", value):
        raise ValueError("give 16 to 256 letters, digits and symbols, without a space")
    return value


def authenticator(value: str) -> str:
    """Names of authenticators, whether or not they are installed."""
    if not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)*", value, re.ASCII):
        raise ValueError("give the name of a JupyterHub authenticator, or package.module.Class")
    return value


def docker_name(value: str) -> str:
    """Names that Docker accepts for networks and volumes."""
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}", value):
        raise ValueError("give 2 to 63 of the characters a-z, A-Z, 0-9 and _ . -")
    return value


def image_reference(value: str) -> str:
    """References of images, whether or not they exist."""
    if not re.fullmatch(r"[a-z0-9][\w./:@-]{0,254}", value, re.ASCII):
        raise ValueError(f'"{value}" is not the name of an image')
    return value


def images(value: str) -> tuple[Image, ...]:
    """Comma-separated ``Label=image`` pairs; an image without a label is its own label.

    ``;user=image`` after an image keeps the user that the image names.
    """
    found = []
    for entry in filter(None, (part.strip() for part in value.split(","))):
        pair, *options = re.split(r"\s*;\s*user\s*=\s*", entry)
        if options not in ([], ["image"]):
            raise ValueError('the only option of an image is ";user=image"')
        label, separator, name = (part.strip() for part in pair.partition("="))
        reference = image_reference(name if separator else label)
        found.append(Image(label, reference, own_user=bool(options)))
    if not found or not all(image.label for image in found):
        raise ValueError("give Label=image pairs, separated by commas")
    if len({image.label for image in found}) < len(found):
        raise ValueError("give each image a label of its own")
    return tuple(found)


def observers(value: str) -> tuple[str, ...]:
    """Comma-separated names of containers or images, in which ``*`` stands for anything."""
    found = tuple(filter(None, (part.strip() for part in value.split(","))))
    for name in found:
        # Something that fits everything would make the lab blind.
        if not re.fullmatch(r"[\w./:@*-]{1,255}", name, re.ASCII) or not re.search(r"\w", name):
            raise ValueError(
                f'"{name}" is not the name of a container or an image; give names, separated by'
                " commas, in which * stands for anything"
            )
    return found


def workspaces(value: str) -> Workspaces:
    """Volume names or host directories that contain ``{user}`` once."""
    rest = value.replace("{user}", "user", 1)
    is_directory = value.startswith("/")
    allowed = r"(/[\w.@ -]+)+" if is_directory else r"[a-zA-Z0-9][\w.-]+"
    if rest == value or ".." in rest or not re.fullmatch(allowed, rest, re.ASCII):
        raise ValueError(
            "give a volume name such as gpudock-workspace-{user}, or an absolute directory such as"
            " /data/workspaces/{user}, with {user} once"
        )
    return Workspaces("directory" if is_directory else "volume", value)
