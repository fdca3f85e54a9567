"""What the fuzz tests feed: any JSON, text that is nearly right, right messages with something broken in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

_ODD_TEXT = ("", "\0", "\ud800", "é" * 50, "x" * 70_000, "../..", "$share/a/#", "‮", "1e999", "\u2028", "'; --")
_ODD_NUMBERS = (0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 1e308, -0.0, float("inf"), float("-inf"), float("nan"))

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(_ODD_TEXT)
    | st.sampled_from(_ODD_NUMBERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def as_json(value: Any) -> bytes:
    """Write a value as JSON the way a careless sender does: NaN and lone surrogates stay in."""
    return json.dumps(value).encode()


@st.composite
def broken(draw: st.DrawFn, good: Sequence[dict[str, Any]]) -> Any:
    """Return one of the right documents with one value, anywhere in it, taken out or replaced by anything."""
    document = json.loads(json.dumps(draw(st.sampled_from(good))))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(document)
    if not places:
        return draw(anything)
    node, key = draw(st.sampled_from(places))
    if draw(st.booleans()):
        node[key] = draw(anything)
    else:
        del node[key]
    return document


def payloads(good: Sequence[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """Return bytes as a wire may bring them: noise, any JSON, deep JSON, nearly right documents, cut ones."""
    nearly = broken(good).map(as_json)
    cut = st.tuples(nearly, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
    deep = st.integers(1, 4000).map(lambda depth: b"[" * depth)
    return st.binary(max_size=200) | anything.map(as_json) | nearly | cut | deep
