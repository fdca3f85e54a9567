"""A room and a centre of different versions understand each other. What version 1 said is in tests/data/protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from protocol import messages
from tests.unit.protocol.samples import SAMPLES

DATA = Path(__file__).parents[2] / "data" / "protocol"
OLD = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((DATA / "1").glob("*.json"))}
OLD_SCHEMA = json.loads((DATA / "1.schema.json").read_text("utf-8"))
NEW_KINDS = {
    "repair.tried", "selftest.done", "timetable.refused", "look.answered", "settings.taken", "settings.refused",
    "update.done", "lesson.warned",
}  # fmt: skip
ONLY_TO_2 = {
    "health-short": "a room sends it to a centre whose birth says 2",
    "state-planned": "a lesson of the timetable, which a centre of 1 does not plan",
    "status-death-settings": "settings, which a centre of 1 does not send",
}


def _lies_in(part: Any, whole: Any) -> bool:
    """Say whether everything of ``part`` is in ``whole``, which may have more fields."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _lies_in(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_lies_in, part, whole))
    return bool(part == whole)


def _old(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({**OLD_SCHEMA, "$ref": f"#/$defs/{name}"})


@pytest.mark.parametrize("name", OLD)
def test_what_version_1_says_is_understood_whole(name: str) -> None:
    read = type(SAMPLES[name]).model_validate(OLD[name])
    assert _lies_in(OLD[name], json.loads(read.model_dump_json()))


def test_what_version_1_does_not_say_means_what_it_did_then() -> None:
    state = messages.RoomState.model_validate(OLD["state"])
    assert (state.settings_rev, state.settings_error, state.timetable, state.look) == (None, None, None, None)
    config = messages.ConfigDocument.model_validate(OLD["config"])
    assert (config.epoch, config.config.settings, config.config.lessons, config.config.start) == (0, {}, (), "press")
    assert messages.ControllerStatus.model_validate(OLD["controller-status"]).proto == 1
    assert messages.Health.model_validate(OLD["health"]).checks


@pytest.mark.parametrize(
    "name", [name for name, sample in SAMPLES.items() if type(sample).__name__ in OLD_SCHEMA["$defs"]]
)
def test_version_1_understands_what_is_said_to_it(name: str) -> None:
    sample = SAMPLES[name]
    is_valid = _old(type(sample).__name__).is_valid(json.loads(sample.model_dump_json()))
    is_new_fact = isinstance(sample, messages.Event) and sample.fact.kind in NEW_KINDS
    assert is_valid == (name not in ONLY_TO_2 and not is_new_fact)


def test_the_schema_of_version_1_takes_what_version_1_said() -> None:
    for name, said in OLD.items():
        assert _old(type(SAMPLES[name]).__name__).is_valid(said), name
