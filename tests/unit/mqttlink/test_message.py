"""Topic filters."""

from __future__ import annotations

import pytest

from mqttlink.message import matches


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("a/b", "a/b"),
        ("a/+", "a/b"),
        ("+/+/c", "a/b/c"),
        ("a/#", "a"),
        ("a/#", "a/b/c"),
        ("#", "a/b"),
        ("+", "a"),
        ("/+", "/a"),
        ("$SYS/#", "$SYS/broker"),
    ],
)
def test_a_filter_takes_its_topics(topic_filter: str, topic: str) -> None:
    assert matches(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [("a/b", "a/c"), ("a/+", "a"), ("a/+", "a/b/c"), ("a/b/#", "a"), ("+", "/a"), ("#", "$SYS/x"), ("+/x", "$SYS/x")],
)
def test_a_filter_leaves_others(topic_filter: str, topic: str) -> None:
    assert not matches(topic_filter, topic)
