"""The lab's logo: an image file in ``jupyterhub_config.d``, checked before a page shows it.

Only the standard library is needed, because ``make up`` checks the file on a bare machine.
"""

import re
from pathlib import Path

MAX_BYTES = 2**20

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_SVG = "image/svg+xml"
# What may stand before an SVG's root element: a declaration, comments and a document type.
_PROLOG = re.compile(r"\s*(?:<\?xml.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*>|\s)*", re.S)


def media_type(path: Path) -> str:
    """Return the media type of a logo, by its content and not by its name.

    Raises:
        ValueError: it cannot be read, is too large, or is not such an image; the message completes
            "the logo …".
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise ValueError(reason) from error
    if content is None:
        raise ValueError("is larger than 1 MiB")
    for signature, found in _SIGNATURES.items():
        if content.startswith(signature):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if _is_svg(content):
        return _SVG
    raise ValueError("is not a PNG, JPEG, GIF, WebP or SVG image")


def _is_svg(content: bytes) -> bool:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    prolog = _PROLOG.match(text)
    start = prolog.end() if prolog else 0
    return re.match(r"<(?:svg:)?svg[\s>]", text[start:]) is not None
