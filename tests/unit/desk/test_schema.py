"""How values in requests are read, and the messages for invalid ones."""

import datetime as dt
import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from gpudock.desk.api.leases import SessionQuery
from gpudock.desk.api.quota_models import QuotaChanges
from gpudock.desk.schema import MAX_TIME, DeviceUUID, Limit, Moment, Name, Offset, sentence
from gpudock.language.catalog import catalog


def read(kind, value):
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", 0.0),
        ("1795449376.5", 1795449376.5),
        ("1e9", 1e9),
        ("2026-11-23", 1795392000.0),
        ("2026-11-23T12:00:00Z", 1795435200.0),
        ("2026-11-23T12:00:00+02:00", 1795428000.0),
        ("2026-11-23T12:00:00", 1795435200.0),
        ("0001-01-01T00:00:00+14:00", 0.0),
        ("9999-12-31T23:59:59-14:00", MAX_TIME),
    ],
)
def test_a_moment_is_a_date_a_time_or_a_number(text, moment):
    assert read(Moment, text) == moment


@pytest.mark.parametrize(
    "text", ["", "now", "-1", "1e12", "1e999", "٣", "2026-13-01", "9" * 12, "nan"]
)
def test_other_text_is_not_a_moment(text):
    with pytest.raises(ValidationError):
        read(Moment, text)


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_every_date_of_the_calendar_is_a_moment(moment):
    assert read(Moment, moment.isoformat()) == pytest.approx(
        min(max(moment.timestamp(), 0.0), MAX_TIME), abs=1e-3
    )


@pytest.mark.parametrize("text", ["1_0", " 5", "5 ", "+5", "5.0", "0x5", "²", "", "9" * 20])
def test_a_number_of_rows_is_written_in_digits(text):
    with pytest.raises(ValidationError):
        read(Limit, text)


@pytest.mark.parametrize("name", ["", "a" * 256, "a\0b", "a\nb", "a\x85", "\ud800"])
def test_a_name_has_neither_control_characters_nor_unpaired_surrogates(name):
    with pytest.raises(ValidationError):
        read(Name, name)


def test_a_name_may_be_in_any_script():
    assert read(Name, "Ünïcode 名前/!") == "Ünïcode 名前/!"


def test_an_index_is_not_a_uuid():
    with pytest.raises(ValidationError):
        read(DeviceUUID, "0")


def said(model, value):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return sentence(caught.value, "the body")


def test_an_error_names_the_field():
    assert said(SessionQuery, {"color": "red"}) == (
        'The body: "color" is not valid: there is no such field.'
    )
    change = {"level": "user", "name": "ada", "document": [1]}
    assert said(QuotaChanges, {"changes": [change]}).startswith("A quota is an object of fields")
    assert '"changes.0.user.name"' in said(
        QuotaChanges, {"changes": [{"level": "user", "name": 5, "document": None}]}
    )
    assert said(QuotaChanges, []) == "The body is not valid: it is not an object."


def queries():
    """The fields of addresses, each with a value that is wrong by one rule of its schema."""
    wrong = {
        "enum": lambda _: "no choice",
        "maximum": lambda limit: str(limit + 1),
        "minimum": lambda limit: str(limit - 1),
        "maxLength": lambda limit: "x" * (limit + 1),
        "minLength": lambda limit: "x" * (limit - 1),
        "pattern": lambda _: "\n",
    }
    for name, model in {"sessions": SessionQuery, "queries": Bounded}.items():
        for field, schema in model.model_json_schema()["properties"].items():
            for part in schema.get("anyOf", [schema]):
                for rule in sorted(wrong.keys() & part.keys()):
                    value = wrong[rule](part[rule])
                    yield pytest.param(model, field, value, id=f"{name}-{field}-{rule}")


class Bounded(BaseModel):
    """One field for each rule that the endpoints use."""

    offset: Offset = 0
    limit: Limit = 1
    user: Name | None = None
    gpu: DeviceUUID | None = None
    state: Literal["live", "ended"] = "live"


@pytest.mark.parametrize(("model", "field", "value"), list(queries()))
def test_why_a_value_is_wrong_is_in_the_language_of_the_reader(model, field, value):
    with pytest.raises(ValidationError) as caught:
        model.model_validate_strings({field: value})
    text = sentence(caught.value, "the address")
    assert "should" not in text, "Pydantic's own words"
    chinese = catalog("zh_CN").translate(text)
    assert not re.search("[A-Za-z]{3,} [a-z]{2,} [a-z]+", chinese), chinese
