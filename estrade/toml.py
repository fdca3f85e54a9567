"""Write the small TOML files that our programs read; the standard library only reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def write_toml(document: Mapping[str, Any], prefix: str = "") -> str:
    """Return TOML for text, numbers, booleans, lists of these, and tables of them."""
    plain = [f"{key} = {_value(value)}" for key, value in document.items() if not isinstance(value, Mapping)]
    tables = [
        f"\n[{prefix}{key}]\n{write_toml(value, f'{prefix}{key}.')}"
        for key, value in document.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join(plain) + "\n" + "".join(tables)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
