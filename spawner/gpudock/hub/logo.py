"""The lab's own logo in place of JupyterHub's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub.handlers.static import LogoHandler

from gpudock.config.extra_config import place
from gpudock.config.logo import media_type

if TYPE_CHECKING:
    from pathlib import Path


class LabLogoHandler(LogoHandler):  # type: ignore[misc]
    """Serves the logo so that an SVG file cannot run a script, wherever it is opened."""

    def initialize(self, path: str, media_type: str) -> None:
        """Set the file and its media type."""
        super().initialize(path=path)
        self._media_type = media_type

    def get_content_type(self) -> str:
        """Return the media type of the content, whatever the file's name says."""
        return self._media_type

    def set_extra_headers(self, path: str) -> None:
        """Forbid everything but the image itself."""
        del path
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
        )
        self.set_header("Cache-Control", "max-age=3600")


def logo_handler(file: Path) -> tuple[str, type[LabLogoHandler], dict[str, Any]]:
    """Return the handler of the lab's logo, for ``JupyterHub.extra_handlers``.

    Raises:
        SystemExit: the file is not an image; the message says what to do.
    """
    try:
        found = media_type(file)
    except ValueError as error:
        message = (
            f"gpudock: GPUDOCK_LAB_LOGO names {place(file)}, which {error}. Put an image there, or"
            " remove the setting."
        )
        raise SystemExit(message) from error
    return ("/logo", LabLogoHandler, {"path": str(file), "media_type": found})
