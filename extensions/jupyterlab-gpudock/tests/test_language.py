"""JupyterLab's language for users who have not chosen one, on a server with a real JupyterLab."""

from __future__ import annotations

import json

import pytest

from jupyterlab_gpudock.app.language import HOOK, best_locale, follow_browser

CHROMIUM = "zh-CN,zh;q=0.9,en;q=0.8"
TRANSLATION = "@jupyterlab/translation-extension:plugin"


@pytest.mark.parametrize(
    ("header", "installed", "best"),
    [
        (CHROMIUM, ["en", "zh_CN"], "zh_CN"),
        ("zh", ["en", "zh_CN"], "zh_CN"),
        ("zh-Hans-SG", ["en", "zh_CN", "zh_TW"], "zh_CN"),
        ("zh-SG", ["en", "zh_TW", "zh_CN"], "zh_CN"),
        ("zh-TW", ["en", "zh_CN"], None),
        ("zh-HK,en;q=0.5", ["en", "zh_CN", "zh_TW"], "zh_TW"),
        # What a browser in Taiwan sends: Chinese of any kind comes before English.
        ("zh-TW,zh;q=0.9,en;q=0.8", ["en", "zh_CN"], "zh_CN"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", ["en", "zh_CN"], "en"),
        ("en;q=0.8,zh-CN;q=0.9", ["en", "zh_CN"], "zh_CN"),
        ("zh-CN;q=0,en", ["en", "zh_CN"], "en"),
        ("pt", ["en", "pt_PT", "pt_BR"], "pt_BR"),
        ("pt-PT", ["en", "pt_BR", "pt_PT"], "pt_PT"),
        ("pt-AO", ["en", "pt_BR"], "pt_BR"),
        ("fr,de;q=0.5", ["en", "zh_CN"], None),
        ("fr,*;q=0.5", ["en", "zh_CN"], None),
        (CHROMIUM, ["en"], "en"),
        ("zh-CN", [], None),
        ("", ["en", "zh_CN"], None),
        ("zh-CN;q=high, ;;, -, x-y, en_;q=", ["en", "zh_CN"], None),
        ("a" * 5000 + ",zh-CN", ["en", "zh_CN"], "zh_CN"),
    ],
)
def test_the_best_of_the_installed_languages_is_found(header, installed, best):
    assert best_locale(header, installed) == best


def test_another_hook_is_kept():
    settings = {HOOK: lambda handler, page_config: {**page_config, "hubUser": "ada"}}
    follow_browser(settings)
    # Not even a broken request keeps the page away.
    assert settings[HOOK](None, {"a": 1}) == {"a": 1, "hubUser": "ada"}


@pytest.fixture
def jp_server_config(jp_server_config, tmp_path, monkeypatch):
    from jupyterlab_server import settings_utils, translations_handler

    for module in (settings_utils, translations_handler):
        monkeypatch.setattr(module, "SYS_LOCALE", module.SYS_LOCALE)
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("JUPYTERLAB_WORKSPACES_DIR", str(tmp_path / "workspaces"))
    extensions = {"jupyterlab": True, "jupyterlab_gpudock": True}
    server = {**jp_server_config["ServerApp"], "jpserver_extensions": extensions}
    return {**jp_server_config, "ServerApp": server}


class Lab:
    """JupyterLab as a browser loads it."""

    def __init__(self, fetch) -> None:
        self._fetch = fetch

    async def open(self, languages: str) -> None:
        response = await self._fetch("lab", headers={"Accept-Language": languages})
        assert response.code == 200

    async def text(self) -> str:
        """JupyterLab's name of a menu, in the language of its setting."""
        setting = await self._setting()
        locale = setting["settings"].get("locale", "default")
        response = await self._fetch("lab", "api", "translations", locale)
        catalog = json.loads(response.body)["data"].get("jupyterlab", {})
        return catalog.get("menu\x04Language", ["Language"])[0]

    async def title(self) -> str:
        """The setting's title, which the server translates."""
        return (await self._setting())["schema"]["title"]

    async def choose(self, locale: str) -> None:
        body = json.dumps({"raw": json.dumps({"locale": locale})})
        await self._fetch("lab", "api", "settings", TRANSLATION, method="PUT", body=body)

    async def _setting(self) -> dict:
        response = await self._fetch("lab", "api", "settings", TRANSLATION)
        return json.loads(response.body)


@pytest.fixture
def lab(jp_fetch):
    pytest.importorskip("jupyterlab")
    pytest.importorskip("jupyterlab_language_pack_zh_CN")
    return Lab(jp_fetch)


async def test_jupyterlab_speaks_the_language_of_the_browser(lab):
    await lab.open(CHROMIUM)
    assert (await lab.text(), await lab.title()) == ("语言", "语言")
    await lab.open("en-US,en;q=0.9")
    assert (await lab.text(), await lab.title()) == ("Language", "Language")
    await lab.open("fr")
    assert (await lab.text(), await lab.title()) == ("Language", "Language")


async def test_a_language_that_the_user_chose_stays(lab):
    await lab.choose("en")
    await lab.open(CHROMIUM)
    assert (await lab.text(), await lab.title()) == ("Language", "Language")
    await lab.choose("zh_CN")
    await lab.open("en-US,en;q=0.9")
    assert (await lab.text(), await lab.title()) == ("语言", "语言")
    await lab.choose("default")
    await lab.open("en-US,en;q=0.9")
    assert await lab.text() == "Language"


async def test_without_the_language_pack_nothing_changes(lab, monkeypatch):
    monkeypatch.setattr(
        "jupyterlab_server.translation_utils._get_installed_language_pack_locales",
        lambda: ({}, ""),
    )
    await lab.open(CHROMIUM)
    assert (await lab.text(), await lab.title()) == ("Language", "Language")


class TestSwitchedOff:
    """A lab in which the language of the machine is the default."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        config = jp_server_config["GPUDock"]
        return {**jp_server_config, "GPUDock": {**config, "follow_browser_language": False}}

    async def test_the_browser_is_not_asked(self, lab):
        await lab.open(CHROMIUM)
        assert await lab.text() == "Language"
