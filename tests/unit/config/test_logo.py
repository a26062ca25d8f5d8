"""A logo is an image by its content; anything else is refused with the reason."""

from __future__ import annotations

import pytest

from gpudock.config.extra_config import examine
from gpudock.config.logo import MAX_BYTES, media_type
from gpudock.deploy import preflight
from gpudock.deploy.output import ProblemError
from gpudock.hub.logo import logo_handler

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>'


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (SVG, "image/svg+xml"),
        (
            b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- ours -->\n<!DOCTYPE svg>' + SVG,
            "image/svg+xml",
        ),
    ],
)
def test_an_image_is_known_by_its_content_and_not_by_its_name(tmp_path, content, found):
    (tmp_path / "logo.bin").write_bytes(content)
    assert media_type(tmp_path / "logo.bin") == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an image",
        b"<html><svg></svg></html>",
        b"<svgx/>",
        b'<!DOCTYPE svg [<!ENTITY a "b">]><svg/>',
        b"<?php ?>",
        b"\xff\xfe<\0s\0v\0g\0>\0",
    ],
)
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / "logo.svg").write_bytes(content)
    with pytest.raises(ValueError, match="is not a PNG, JPEG, GIF, WebP or SVG image"):
        media_type(tmp_path / "logo.svg")


def test_a_missing_file_and_one_that_is_too_large_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        media_type(tmp_path / "logo.svg")
    (tmp_path / "logo.svg").write_bytes(SVG + b" " * MAX_BYTES)
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        media_type(tmp_path / "logo.svg")


def test_make_up_and_the_hub_refuse_with_a_sentence(tmp_path):
    folder = tmp_path / "jupyterhub_config.d"
    folder.mkdir()
    folder.chmod(0o755)
    for refused, call in (
        (ProblemError, lambda: preflight.check_extra_configuration(tmp_path, "logo.svg")),
        (SystemExit, lambda: logo_handler(folder / "logo.svg")),
    ):
        with pytest.raises(refused) as caught:
            call()
        assert "GPUDOCK_LAB_LOGO names jupyterhub_config.d/logo.svg, which does not exist." in str(
            caught.value
        )
    (folder / "logo.svg").write_bytes(SVG)
    preflight.check_extra_configuration(tmp_path, "logo.svg")
    assert examine(folder, logo="logo.svg") == []
    assert len(examine(folder)) == 1, "without the setting, it is a file that nothing uses"
