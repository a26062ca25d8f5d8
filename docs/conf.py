"""Sphinx configuration. ``make docs`` builds the site into ``docs/_build/html``."""

from __future__ import annotations

import warnings
from importlib.metadata import version as version_of
from typing import Any

from traitlets import TraitType

project = "gpudock"
author = "gpudock contributors"
version = release = version_of("gpudock")

extensions = ["autodoc_traits", "myst_parser", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# JupyterHub's and traitlets' classes have no pages here.
nitpick_ignore_regex = [("py:.*", r"(jupyterhub|dockerspawner|nativeauthenticator|traitlets)\..*")]

autodoc_class_signature = "separated"
# Inherited traits without a help text are left out, see keep_own_options.
warnings.filterwarnings("ignore", category=FutureWarning, module="autodoc_traits")

myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_title = "gpudock"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "path_to_docs": "docs",
    "repository_url": "https://github.com/gpudock/gpudock",
    "use_edit_page_button": True,
    "use_repository_button": True,
}


def keep_own_options(
    _app: object, _kind: str, _name: str, member: object, _skip: bool, _options: object
) -> bool | None:
    """Leave out everything but gpudock's options: JupyterHub documents its own classes."""
    is_own = isinstance(member, TraitType) and member.this_class.__module__.startswith("gpudock.")
    return None if is_own else True


def setup(app: Any) -> None:
    """Register the handlers of this configuration."""
    app.connect("autodoc-skip-member", keep_own_options)
