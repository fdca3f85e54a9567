"""Configuration files: any text is a configuration or a ConfigError with its sentences, never another exception."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent import config as agent_config
from controller import config as controller_config
from estrade.toml import write_toml
from protocol.errors import ConfigError
from tests.fuzz.inputs import anything, broken

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
LOADERS = {"agent": agent_config.load, "controller": controller_config.load}
EXAMPLES = {name: (DEPLOY / f"examples/{name}.toml").read_text() for name in LOADERS}
DOCUMENTS: dict[str, dict[str, Any]] = {name: tomllib.loads(text) for name, text in EXAMPLES.items()}

TURNING = {
    **DOCUMENTS["agent"],
    "ptz": {
        "driver": "visca",
        "host": "camera",
        "presets": {"board": 1, "teacher": "2", "class": 3},
        "class_preset": True,
        "no_mask": ["teacher"],
    },
    "mask": [
        {"preset": "board", "rectangle": [0, 0.5, 0.5, 0.5]},
        {"preset": "class", "polygon": [[0, 0], [1, 0], [0.5, 1]]},
    ],
}


def _toml(value: Any) -> str:
    try:
        return write_toml(value)
    except (TypeError, ValueError, AttributeError):
        return repr(value)


@st.composite
def texts(draw: st.DrawFn, name: str) -> bytes:
    whole = EXAMPLES[name]
    start = draw(st.integers(0, len(whole)))
    cut = whole[:start] + draw(st.text(max_size=20)) + whole[draw(st.integers(start, len(whole))) :]
    nearly = draw(broken([DOCUMENTS[name]]) | anything.map(lambda value: {"room": value, "broker": value}))
    chosen = draw(st.sampled_from([cut, _toml(nearly)]))
    return chosen.encode("utf-8", "surrogatepass") if draw(st.integers(0, 9)) else draw(st.binary(max_size=80))


@pytest.mark.parametrize("name", LOADERS)
def test_any_file_is_a_configuration_or_told_to_be_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "any.toml"
    said: list[ConfigError] = []

    @settings(max_examples=200)
    @given(texts(name))
    @example(b"a = " + b"[" * 5000)  # deeper than Python's own stack
    @example(b"a = " + b"9" * 5000)  # longer than Python reads numbers
    @example(b'state_dir = "a\\u0000b"')
    @example(b'[broker]\nca_file = "a\\u0000b"')
    @example(b"\xff\xfe")
    def load(text: bytes) -> None:
        path.write_bytes(text)
        try:
            LOADERS[name](path)
        except ConfigError as error:
            said.append(error)

    load()
    assert said
    assert all(error.summary and all(problem.strip() for problem in error.problems) for error in said)


@given(broken([DOCUMENTS["agent"], TURNING]))
def test_any_table_is_a_rooms_configuration_or_told_to_be_none(raw: Any) -> None:
    if not isinstance(raw, dict):
        return
    with pytest.raises(ConfigError) as refusal:  # for its certificates are nowhere
        agent_config.parse(raw, where="here", base=Path("/nowhere"))
    assert refusal.value.problems
