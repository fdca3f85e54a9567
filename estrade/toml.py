"""Write the small TOML files that our programs read; the standard library only reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(document: Mapping[str, Any], prefix: str = "") -> str:
    """Return TOML for text, numbers, booleans, lists of these, and tables of them, in lists too."""
    plain = [f"{_key(key)} = {_value(value)}" for key, value in document.items() if not isinstance(value, Mapping)]
    tables = [
        f"\n[{prefix}{_key(key)}]\n{write_toml(value, f'{prefix}{_key(key)}.')}"
        for key, value in document.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join(plain) + "\n" + "".join(tables)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return _text(str(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
