"""What a log says, in one sentence."""

from __future__ import annotations

import pytest

from estrade.children import what_matters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it said nothing"),
        ("INFO a: begins\nINFO a: ends\n", "INFO a: ends"),
        ("INFO a: begins\nERROR a: the disk is full\nINFO a: ends\n", "ERROR a: the disk is full"),
        ("1795478848: Error: Address already in use\n", "1795478848: Error: Address already in use"),
        (
            "INFO a: begins\nestrade-controller: port 80 is taken [port-taken]\n",
            "estrade-controller: port 80 is taken [port-taken]",
        ),
        (
            "estrade-agent: a.toml has 2 mistakes [config-invalid]\n  room.id: is missing\n  camera: is missing\n",
            "estrade-agent: a.toml has 2 mistakes: room.id: is missing; camera: is missing [config-invalid]",
        ),
        (
            "Traceback (most recent call last):\n  File …\nModuleNotFoundError: No module named 'av'\n",
            "ModuleNotFoundError: No module named 'av'",
        ),
        (
            "  + Exception Group Traceback:\n  |   File …\n  | ValueError: 3 is not a colour\n  +-----------------\n",
            "| ValueError: 3 is not a colour",
        ),
    ],
)
def test_the_line_that_matters_is_found(text: str, sentence: str) -> None:
    assert what_matters(text) == sentence
