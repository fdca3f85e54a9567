"""What crosses the wire keeps its form: a golden file for each message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from protocol import channel, messages, pages, panel_requests, schema
from tests.unit.protocol.samples import SAMPLES

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", SAMPLES)
def test_message_is_written_as_the_golden_file_says(name: str) -> None:
    golden = json.loads((HERE / "golden" / f"{name}.json").read_text(encoding="utf-8"))
    assert json.loads(SAMPLES[name].model_dump_json()) == golden


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_file_is_read_back_as_the_same_message(name: str) -> None:
    text = (HERE / "golden" / f"{name}.json").read_text(encoding="utf-8")
    assert type(SAMPLES[name]).model_validate_json(text) == SAMPLES[name]


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in (HERE / "golden").glob("*.json")} == set(SAMPLES)


def test_every_message_on_a_topic_has_a_golden_file() -> None:
    written = {type(sample) for sample in SAMPLES.values()}
    written |= {type(sample.fact) for sample in SAMPLES.values() if isinstance(sample, messages.Event)}
    topics = {messages.RoomStatus, messages.ControllerStatus, messages.RoomState, messages.Health}
    topics |= {messages.ConfigDocument, messages.Event, messages.Command, messages.Answer}
    facts = set(get_args(get_args(messages.Fact)[0]))
    said = {*get_args(channel.FromPupil), *get_args(channel.FromRoom)}
    assert topics | facts | said <= written


def test_unknown_fields_are_ignored_on_the_wire() -> None:
    status = messages.RoomStatus.model_validate_json(
        '{"online": true, "sid": "x", "at": "2026-11-23T13:02:00Z", "from_the_future": 1}'
    )
    assert status.online


def test_unknown_fields_are_refused_in_a_pages_body() -> None:
    with pytest.raises(ValidationError):
        panel_requests.PauseBody.model_validate_json('{"paused": true, "puased": false}')


@pytest.mark.parametrize("body", ['{"code": "K7QF92MX", "link": "x"}', "{}"])
def test_join_takes_exactly_one_of_code_and_link(body: str) -> None:
    with pytest.raises(ValidationError, match="either code or link"):
        pages.JoinRequest.model_validate_json(body)


@pytest.mark.parametrize("args", ['{"actor": "x", "sound": true}', '{"actor": "x", "sound": 1}', '{"actor": "x"}'])
def test_from_afar_nothing_is_let_out_again(args: str) -> None:
    with pytest.raises(ValidationError):
        messages.LessonMute.model_validate_json(args)


def test_a_fact_of_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(messages.Fact).validate_python({"kind": "room.exploded"})


def test_a_pupils_name_is_trimmed_and_bounded() -> None:
    assert channel.Hello(name="  Lina ").name == "Lina"
    with pytest.raises(ValidationError):
        channel.Hello(name="x" * 41)


@pytest.mark.parametrize("code", ["K7QF-92M0", "K7QF92MX", "k7qf-92mx", "K7QF-92MI"])
def test_a_code_has_only_letters_that_cannot_be_mistaken(code: str) -> None:
    with pytest.raises(ValidationError):
        messages.Access(lesson="l", code=code, link="https://x.example")


def test_what_is_made_from_the_models_is_fresh() -> None:
    for path, text in schema.artefacts().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: python -m protocol.schema --write"
