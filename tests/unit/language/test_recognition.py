"""A sentence that was stored in English is found again as the message that it was."""

from __future__ import annotations

import json

import pytest

from gpudock.language import Message, counted, recognition, sentences
from gpudock.language.catalog import Catalog
from gpudock.language.recognition import recognized

TEMPLATES = {
    "Drained by {by}.": "由 {by} 排空。",
    "{n} GPU is free.": "{n} 个 GPU 空闲。",
    "One row is {what}.": "{n} 行{what}。",
    "{name} waits since {time:%H:%M}.": "{name} 从 {time:%H:%M} 起等待。",
    "{count:.0f} s old: {words} Fix it.": "{count:.0f} 秒前：{words} 请修复。",
    "it lasted for {duration}": "持续了 {duration}",
    "{n} second": "{n} 秒",
    "{text} {part}": "{text}{part}",
    "{x}": "{x}",
}
PLURALS = {
    "{n} GPU is free.": "{n} GPUs are free.",
    "{n} second": "{n} seconds",
    "One row is {what}.": "{n} rows are {what}.",
}
CATALOG = Catalog(TEMPLATES)


@pytest.fixture(autouse=True)
def catalog(monkeypatch):
    found = [(template, PLURALS.get(template)) for template in TEMPLATES]
    monkeypatch.setattr(recognition, "templates", lambda _: found)
    caches = (recognition._patterns, recognition._recognized)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def in_chinese(text: str) -> str:
    found = recognized(text)
    assert found == text
    return CATALOG.translate(found)


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("Drained by ada.", "由 ada 排空。"),
        ("Drained by a.b c.", "由 a.b c 排空。"),
        ("1 GPU is free.", "1 个 GPU 空闲。"),
        ("12 GPUs are free.", "12 个 GPU 空闲。"),
        ("One row is odd.", "1 行odd。"),
        ("3 rows are odd.", "3 行odd。"),
        ("ada waits since 10:15.", "ada 从 10:15 起等待。"),
        ("17 s old: it fails. Twice. Fix it.", "17 秒前：it fails. Twice. 请修复。"),
        ("it lasted for 5 seconds", "持续了 5 秒"),
    ],
)
def test_a_stored_text_is_recognized(text, chinese):
    assert in_chinese(json.loads(json.dumps(text))) == chinese


def test_sentences_are_recognized_one_by_one():
    text = "Drained by ada. 1 GPU is free. The rest is nobody's. 2 GPUs are free."
    assert in_chinese(text) == "由 ada 排空。1 个 GPU 空闲。The rest is nobody's.2 个 GPU 空闲。"


def test_a_message_may_have_a_stored_part():
    made = sentences("Drained by ada.", counted("{n} GPU is free.", "{n} GPUs are free.", 2))
    assert in_chinese(made) == "由 ada 排空。2 个 GPU 空闲。"


def test_values_of_other_messages_are_no_sentences():
    made = Message("Drained by {by}.", by="1 GPU is free.")
    assert in_chinese(made) == "由 1 GPU is free. 排空。"


@pytest.mark.parametrize(
    "text", ["", "ada", "Nobody knows this.", "Drained by .", "x" * 100_000, "a. b. c."]
)
def test_other_text_stays_as_it_is(text):
    assert recognized(text) is text


def test_many_sentences_take_no_time():
    text = "A. " * 600
    assert recognized(text) is text
