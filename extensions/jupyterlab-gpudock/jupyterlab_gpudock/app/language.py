"""JupyterLab's language for a user who has not chosen one: that of the browser.

JupyterLab's language setting is ``default`` until a user chooses a language, and ``default`` is the
locale of the server's machine. Here it is the best of the installed languages for the browser that
opens the page. A Jupyter server belongs to one user, so one default for all its pages is enough.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

HOOK = "page_config_hook"
"""The setting of the web application that JupyterLab and Notebook call for each page."""

log = logging.getLogger(__name__)


def follow_browser(settings: dict[str, Any]) -> None:
    """Set the default language whenever a page is opened.

    Args:
        settings: of the server's web application, when all extensions are loaded. A hook that is
            set, such as JupyterHub's, is kept.
    """
    others = settings.get(HOOK)

    def hook(handler: Any, page_config: Any) -> Any:
        try:
            _set_default(handler.request.headers.get("Accept-Language", ""))
        except Exception:
            # A page in the wrong language is better than none.
            log.exception("The browser's language could not be set")
        return others(handler, page_config) if others else page_config

    settings[HOOK] = hook


def best_locale(accept_language: str, installed: Iterable[str]) -> str | None:
    """Return the installed locale that a browser likes best; None if it likes none of them.

    Args:
        accept_language: the header of the request, for example ``zh-CN,zh;q=0.9,en;q=0.8``.
        installed: names of locales, for example ``en`` and ``zh_CN``.
    """
    known = {name: identity for name in installed if (identity := _identify(name))}
    for tag in _by_preference(accept_language):
        wanted = _identify(tag)
        if wanted is None:
            continue
        # The script is part of the language: Traditional Chinese is not Simplified Chinese.
        same = [name for name, found in known.items() if found[:2] == wanted[:2]]
        same.sort(key=lambda name: known[name][2] != wanted[2])
        if same:
            return same[0]
    return None


def _by_preference(accept_language: str) -> list[str]:
    """Return the header's language tags, the preferred one first; invalid parts are left out."""
    weights: dict[str, float] = {}
    for part in accept_language.split(","):
        tag, _, weight = part.strip().partition(";")
        try:
            value = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if tag and value > 0:
            weights.setdefault(tag.strip(), value)
    return sorted(weights, key=lambda tag: -weights[tag])


def _identify(name: str) -> tuple[str, str | None, str | None] | None:
    """Return language, script and territory, the likely ones where the name has none."""
    from babel import Locale, UnknownLocaleError
    from babel.core import get_global

    try:
        locale = Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return None
    language, territory, script = locale.language, locale.territory, locale.script
    likely = get_global("likely_subtags")
    for key in (f"{language}_{script}", f"{language}_{territory}", language):
        parts = likely.get(key, "").split("_")
        if len(parts) == 3:
            return language, script or parts[1], territory or parts[2]
    return language, script, territory


def _set_default(accept_language: str) -> None:
    """Make the browser's language the server's default, or the machine's if there is none."""
    # Whatever renders pages has imported these already.
    from jupyterlab_server import settings_utils, translation_utils, translations_handler

    locales, _ = translation_utils.get_language_packs()
    locale = best_locale(accept_language, locales) or translation_utils.SYS_LOCALE
    # Each of the two has its own copy of the name: one for the settings, one for the texts.
    for module in (settings_utils, translations_handler):
        vars(module)["SYS_LOCALE"] = locale
