"""A room's settings as the centre wishes them: layers that are merged, and what must never be in them. Pure.

They are the tables of the room's own file by their names. Only the room has the drivers, so only the room can say
whether they are right; here it is known which tables there are, and that no secret is carried in a retained message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from protocol.wire import Sentence, Wire

TABLES = frozenset(
    {
        "camera", "microphone", "spare_microphone", "board", "board_sound", "display", "ptz", "mask", "framing",
        "health", "lesson", "selftest", "media", "recording", "relay",
    }
)  # fmt: skip
"""The tables of a room's file that the centre may set; room, broker, panel and state_dir are the mini-PC's own."""
MOST_BYTES = 32_768
"""Of all tables as JSON: the document that carries them is retained for each room."""
MOST_DEPTH = 8

_SECRET_WORDS = frozenset(
    {
        "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "pin", "key", "apikey",
        "credential", "credentials",
    }
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]?[^A-Z_\-.\s]+|[A-Z]+(?![a-z])")
_PORT = re.compile(r"\d+[/?#]")
_LOGIN = re.compile(r"[/?&;](?:[a-z]+_)?(?:pass|password|passwd|pwd|pin|token|secret|key|apikey)=", re.IGNORECASE)
"""As some cameras have it in their addresses."""

Tables = Mapping[str, Any]


def problems(tables: Tables) -> list[str]:
    """Return one sentence for each mistake that can be told without the room's drivers; none when there is none."""
    found = [
        f"{name}: is not a table that the centre sets; there are {', '.join(sorted(TABLES))}"
        for name in tables
        if name not in TABLES
    ]
    found += [
        f"{name}: must be a table, or several of them"
        for name, table in tables.items()
        if name in TABLES and not (table is None or isinstance(table, Mapping) or _are_tables(table))
    ]
    if _depth(tables) > MOST_DEPTH:
        return [*found, f"the tables lie more than {MOST_DEPTH} deep in each other"]
    try:
        size = len(json.dumps(tables, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):  # of the last, half of a character in UTF-16 is one
        return [*found, "the tables hold what JSON cannot carry, as NaN, a date without quotes or half a character"]
    if size > MOST_BYTES:
        return [*found, f"the tables have {size} bytes, and {MOST_BYTES} at most are sent to a room"]
    found += [
        f"{path}: a secret is never sent to a room; put it into a file there, and name that with …_file"
        for path in secrets(tables)
    ]
    return found


def secrets(value: Any, path: str = "") -> list[str]:
    """Return where a secret stands, at any depth: under a key that says so, or in an address.

    A key says so by one of its words, unless its last word is ``file``: a file is named, and stays in the room.
    """
    found: list[str] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            if _is_secret(str(key)) and inner is not None:
                found.append(here)
            else:
                found += secrets(inner, here)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            found += secrets(inner, f"{path}[{number}]")
    elif isinstance(value, str) and _has_login(value):
        found.append(path)
    return found


def _has_login(text: str) -> bool:
    """Say whether an address in this text carries a password: before an @, where it may hold a slash, or by name."""
    for word in text.split():
        for rest in word.split("://")[1:]:
            user, _, after = rest.partition(":")
            if not {"/", "@"}.intersection(user) and "@" in after and not _PORT.match(after):
                return True
            if _LOGIN.search(rest):
                return True
    return False


def _is_secret(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    return bool(_SECRET_WORDS.intersection(words)) and words[-1] != "file"


def _are_tables(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) for one in value)


def _depth(value: Any) -> int:
    """Return how deep containers lie in each other, without recursion: what is measured may be hostile."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner: Iterable[Any] = (
            one.values() if isinstance(one, Mapping) else one if isinstance(one, (list, tuple)) else ()
        )
        if depth <= MOST_DEPTH:
            waiting += [(each, depth + 1) for each in inner if isinstance(each, (Mapping, list, tuple))]
    return deepest


def merge(*layers: Tables) -> dict[str, Any]:
    """Return what holds: each layer over those before it, table by table and key by key.

    A list takes the place of a list. ``None`` says nothing: what is inherited holds.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _over(merged, layer)
    return merged


def _over(below: Tables, above: Tables) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            under = found.get(key)
            found[key] = _over(under if isinstance(under, Mapping) else {}, value)
        else:
            found[key] = value
    return found


class SettingsChange(Wire):
    """One key that is other than it was; None is: not set."""

    path: str = Field(max_length=MOST_BYTES)
    before: JsonValue = None
    after: JsonValue = None


def diff(before: Tables, after: Tables) -> tuple[SettingsChange, ...]:
    """Return what changes between two revisions of a layer, by path; lists are compared whole."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    missing = object()
    return tuple(
        SettingsChange(path=".".join(path), before=old.get(path), after=new.get(path))
        for path in sorted({*old, *new})
        if not _same(old.get(path, missing), new.get(path, missing))
    )


def _leaves(tables: Tables, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in tables.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does, also within lists: true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def _checked(tables: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if found := problems(tables):
        raise ValueError("; ".join(found[:20]))
    return tables


SettingsTables = Annotated[dict[str, JsonValue], AfterValidator(_checked)]
"""Tables that may be sent to a room, by the rules of `problems`."""


class SettingsError(Wire):
    """Settings that the room did not take, or took back; it goes on with those before, and does not try them again."""

    rev: int = Field(ge=0)
    code: str = Field(max_length=64)
    message: Sentence
