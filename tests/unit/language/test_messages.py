"""A message is English text that can be written in another language where it is read."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle

import jinja2
import pytest

from gpudock.language import Message, counted, message_of, sentences
from gpudock.language.catalog import CHINESE, ENGLISH, Catalog, language, negotiate, read_in
from gpudock.language.templates import Translated

CATALOG = Catalog(
    {
        "{n} GPU is free.": "{n} 个 GPU 空闲。",
        "{name} waits: {reason}": "{name} 正在等待：{reason}",
        "{text} {part}": "{text}{part}",
    }
)


def test_a_message_is_its_english_text():
    message = Message("{name} waits.", name="ada")
    assert message == "ada waits."
    assert json.dumps(message) == '"ada waits."'


@pytest.mark.parametrize(("number", "text"), [(0, "0 GPUs are free."), (1, "1 GPU is free.")])
def test_a_number_chooses_the_form(number, text):
    assert counted("{n} GPU is free.", "{n} GPUs are free.", number) == text


def test_a_translation_has_the_values():
    message = counted("{n} GPU is free.", "{n} GPUs are free.", 2)
    assert CATALOG.translate(message) == "2 个 GPU 空闲。"


def test_messages_within_a_message_are_translated():
    reason = counted("{n} GPU is free.", "{n} GPUs are free.", 1)
    message = Message("{name} waits: {reason}", name="ada", reason=reason)
    assert message == "ada waits: 1 GPU is free."
    assert CATALOG.translate(message) == "ada 正在等待：1 个 GPU 空闲。"


def test_sentences_stand_side_by_side():
    free = counted("{n} GPU is free.", "{n} GPUs are free.", 1)
    assert sentences("", free, "", free) == "1 GPU is free. 1 GPU is free."
    assert CATALOG.translate(sentences(free, free)) == "1 个 GPU 空闲。1 个 GPU 空闲。"
    assert sentences() == ""


def test_text_that_has_no_translation_stays_english():
    assert CATALOG.translate(counted("{n} slot", "{n} slots", 2)) == "2 slots"
    assert CATALOG.translate("plain {text}") == "plain {text}"


def test_braces_in_a_value_are_text():
    message = Message("{name} waits: {reason}", name="{reason}", reason="{0}")
    assert CATALOG.translate(message) == "{reason} 正在等待：{0}"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_can_be_translated(copied):
    message = copied(counted("{n} GPU is free.", "{n} GPUs are free.", 2))
    assert CATALOG.translate(message) == "2 个 GPU 空闲。"


def test_an_error_keeps_its_message():
    error = ValueError(counted("{n} GPU is free.", "{n} GPUs are free.", 2))
    assert CATALOG.translate(message_of(error)) == "2 个 GPU 空闲。"
    assert message_of(ValueError()) == ""
    assert message_of(KeyError("x")) == "'x'"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("zh-Hans-CN", CHINESE),
        ("zh-TW", CHINESE),
        ("en-US,en;q=0.9,zh;q=0.8", ENGLISH),
        ("en;q=0.5, zh", CHINESE),
        ("fr, zh;q=0.3", CHINESE),
        ("zh;q=0, en", ENGLISH),
        ("fr", ENGLISH),
        ("", ENGLISH),
        ("*", ENGLISH),
        (";;q=x,,zh;q=nan,%", ENGLISH),
        ("x" * 100_000, ENGLISH),
        ("zh_CN", CHINESE),
        ("ZH-hans", CHINESE),
        ("zh-cmn-Hans-CN, en;q=0.9", CHINESE),
        ("zh-Hant-HK-x-private", CHINESE),
        ("zh ; q = 0.9, en;Q=0.3", CHINESE),
        ("en;q=0.2;level=1, zh;q=0.1", ENGLISH),
        ("zh;q=1e999, en", CHINESE),
        ("\u4e2d\u6587, zh", CHINESE),
        ("zhx, en", ENGLISH),
    ],
)
def test_the_browser_names_the_language(header, expected):
    assert negotiate(header) == expected


def test_the_language_belongs_to_one_request():
    async def request(header: str) -> str:
        read_in(header)
        await asyncio.sleep(0)
        return language()

    async def requests() -> list[str]:
        return await asyncio.gather(request("zh"), request("en"), request("zh"))

    assert asyncio.run(requests()) == [CHINESE, ENGLISH, CHINESE]
    assert language() == ENGLISH


def test_templates_speak_the_language_and_escape_values():
    environment = jinja2.Environment(autoescape=True, extensions=[Translated])
    template = environment.from_string(
        "{{ language() }}: {{ message|localized }}; "
        "{% trans n=2 %}{{ n }} row{% pluralize %}{{ n }} rows{% endtrans %}; "
        '{{ _("for %(name)s", name=name) }}'
    )
    message = Message("{text} {part}", text="a", part="b")

    async def render(header: str) -> str:
        read_in(header)
        return template.render(message=message, name="<b>")

    assert asyncio.run(render("en")) == "en: a b; 2 rows; for &lt;b&gt;"
    assert asyncio.run(render("zh")) == "zh_CN: ab; 2 rows; for &lt;b&gt;"
