"""Every error has a stable code that is listed."""

from __future__ import annotations

import pytest

from protocol import errors
from protocol.errors import CODES, ConfigError, EstradeError

TREE = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, EstradeError)]


@pytest.mark.parametrize("error", TREE)
def test_default_code_is_listed(error: type[EstradeError]) -> None:
    assert error.default_code in CODES


def test_codes_are_kebab_case_and_explained_in_a_sentence() -> None:
    for code, meaning in CODES.items():
        assert code == code.lower().replace("_", "-")
        assert meaning.endswith(".")


def test_a_config_error_says_every_problem() -> None:
    error = ConfigError("room.toml has 2 mistakes", ("room.id: too short", "panel.port: not a number"))
    assert str(error) == "room.toml has 2 mistakes: room.id: too short; panel.port: not a number"
