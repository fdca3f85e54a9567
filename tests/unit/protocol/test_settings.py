"""Settings in layers: how they are merged, what changes, and that no secret passes."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from protocol.settings import MOST_DEPTH, TABLES, SettingsTables, diff, merge, problems, secrets

PLANTED = "hunter2-planted"
_KEYS = st.text("abcdefgh_", min_size=1, max_size=6).filter(lambda key: not secrets({key: 1}))
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text("xyz", max_size=3)
    | st.lists(st.integers(0, 3), max_size=3)
)
_TABLES = st.dictionaries(
    st.sampled_from(sorted(TABLES)),
    st.dictionaries(_KEYS, _VALUES | st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=4),
    max_size=4,
)


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def test_the_narrower_layer_holds_key_by_key() -> None:
    territory = {"camera": {"width_px": 1280, "hz": 30}, "health": {"mains_hz": 50}}
    school = {"camera": {"hz": 25}, "mask": [{"name": "door"}]}
    room = {"camera": {"width_px": None, "hz": 15}, "mask": [{"name": "window"}], "health": None}
    assert merge(territory, school, room) == {
        "camera": {"width_px": 1280, "hz": 15},
        "mask": [{"name": "window"}],
        "health": {"mains_hz": 50},
    }
    assert territory["camera"] == {"width_px": 1280, "hz": 30}, "no layer is changed"


@given(_TABLES, _TABLES, _TABLES)
def test_merging_has_no_order_of_work(wide: Any, middle: Any, narrow: Any) -> None:
    assert merge(merge(wide, middle), narrow) == merge(wide, merge(middle, narrow)) == merge(wide, middle, narrow)


@given(_TABLES)
def test_a_layer_over_itself_or_nothing_is_itself(tables: Any) -> None:
    held = without_none(tables)
    assert merge(tables) == held
    assert merge(tables, tables) == held
    assert merge({}, tables) == merge(tables, {}) == held


@given(_TABLES, _TABLES)
def test_what_is_merged_has_each_key_of_the_narrower_layer(wide: Any, narrow: Any) -> None:
    merged = merge(wide, narrow)
    for name, table in narrow.items():
        for key, value in table.items():
            if value is not None and not isinstance(value, dict):
                assert merged[name][key] == value


@given(_TABLES)
def test_nothing_differs_from_itself(tables: Any) -> None:
    assert diff(tables, tables) == ()


@given(_TABLES, _TABLES)
def test_a_difference_names_exactly_what_is_other_and_reads_both_ways(before: Any, after: Any) -> None:
    there, back = diff(before, after), diff(after, before)
    assert [(change.path, change.before, change.after) for change in there] == [
        (change.path, change.after, change.before) for change in back
    ]
    assert (there == ()) == (before == after)


def test_a_difference_is_told_by_path() -> None:
    changes = diff({"camera": {"hz": 30, "on": 1}, "mask": []}, {"camera": {"on": True}, "mask": [{"name": "x"}]})
    assert [(change.path, change.before, change.after) for change in changes] == [
        ("camera.hz", 30, None),
        ("camera.on", 1, True),
        ("mask", [], [{"name": "x"}]),
    ]


def test_a_difference_is_found_within_lists_and_under_long_names() -> None:
    name = "x" * 400
    changes = diff({"mask": [{"on": True}]}, {"mask": [{"on": 1}], "camera": {name: 1}})
    assert [change.path for change in changes] == [f"camera.{name}", "mask"]


@pytest.mark.parametrize(
    "key",
    ["password", "Password", "PASSWORD", "rtsp_password", "password_text", "api_key", "apiKey", "HTTPKey",
     "turn-secret", "access_token", "pin", "PIN", "pin_code", "file_key", "fileKey", "token.value", "passwd",
     "apikey", "credential", "wifiPassphrase"],
)  # fmt: skip
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_a_secret_is_found_wherever_it_is_planted(key: str, depth: int) -> None:
    planted: Any = {key: PLANTED}
    for level in range(depth):
        planted = {f"level_{level}": [planted]} if level % 2 else {f"level_{level}": planted}
    found = problems({"camera": planted})
    assert len(found) == 1
    assert PLANTED not in found[0], "and it is not told on"
    with pytest.raises(ValidationError):
        TypeAdapter(SettingsTables).validate_python({"camera": planted})


@pytest.mark.parametrize(
    "address",
    [
        f"rtsp://admin:{PLANTED}@10.0.0.7/cam",
        f"RTSP://:{PLANTED}@cam",
        f"see http://a:{PLANTED}@x and y",
        "rtsp://a:@b",
        f"rtsp://a:{PLANTED}/{PLANTED}@10.0.0.7/cam",
        f"rtsp://cam/user=admin&password={PLANTED}&channel=1",
        f"rtsp://10.0.0.7/s?user=a&PWD={PLANTED}",
        f"https://x.example/?access_token={PLANTED}",
    ],
)
def test_an_address_with_a_password_is_found(address: str) -> None:
    assert secrets({"camera": {"url": address}}) == ["camera.url"]
    assert secrets({"mask": [{"note": [address]}]}) == ["mask[0].note[0]"]


@pytest.mark.parametrize(
    "tables",
    [
        {"camera": {"password_file": "/etc/estrade/camera.password", "url": "rtsp://10.0.0.7:554/cam"}},
        {"relay": {"token_file": "x", "key_file": "y", "pinFile": "z"}},
        {"camera": {"keyboard": 1, "monkey_bars": 2, "spin": 3, "tokens_most": 4}},
        {"camera": {"password": None}, "display": {"url": "http://user@host/path:1@x"}},
        {"media": {"note": "a:b@c"}},
        {"camera": {"url": "rtsp://10.0.0.7:554/front@2?monkey=1&tokens=2"}},
    ],
)
def test_what_is_no_secret_passes(tables: dict[str, Any]) -> None:
    assert problems(tables) == []


def test_what_a_centre_may_not_set_is_named() -> None:
    found = problems({"broker": {"host": "x"}, "camera": "v4l2", "mask": [1], "panel": {}, "board": None})
    assert [problem.split(":")[0] for problem in found] == ["broker", "panel", "camera", "mask"]


@pytest.mark.parametrize("value", [math.nan, -math.inf, "\ud800", date(2026, 9, 1)])
def test_what_json_cannot_carry_is_told(value: Any) -> None:
    """A retained document with NaN would be read by no room, and the lesson's code is in it."""
    [said] = problems({"camera": {"note": [value]}})
    assert "JSON" in said
    with pytest.raises(ValidationError):
        TypeAdapter(SettingsTables).validate_python({"camera": {"note": [value]}})


def test_tables_that_are_too_deep_or_too_large_are_refused_at_once() -> None:
    deep: Any = {}
    for _ in range(50_000):
        deep = {"x": deep}
    [said] = problems({"camera": deep})
    assert f"more than {MOST_DEPTH} deep" in said
    for note in ("x" * 40_000, "://" * 20_000, "://" + ":" * 40_000):
        [said] = problems({"camera": {"note": note}})
        assert "bytes" in said
        assert secrets({"note": note}) == []
