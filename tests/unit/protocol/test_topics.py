"""Topics are built and taken apart alike."""

from __future__ import annotations

import pytest

from protocol import topics
from protocol.topics import RoomTopic, RoomTopics, parse

ROOM = RoomTopics("075", "0750001a-b12")


@pytest.mark.parametrize(
    ("topic", "kind", "name"),
    [
        (ROOM.status, "status", ""),
        (ROOM.state, "state", ""),
        (ROOM.health, "health", ""),
        (ROOM.log, "log", ""),
        (ROOM.config, "config", ""),
        (ROOM.event("lesson.started"), "event", "lesson.started"),
        (ROOM.cmd("rtc.offer"), "cmd", "rtc.offer"),
        (ROOM.req("time"), "req", "time"),
        (ROOM.reply("time"), "cmd", "reply.time"),
    ],
)
def test_a_rooms_topic_is_taken_apart_as_it_was_built(topic: str, kind: str, name: str) -> None:
    assert parse(topic) == RoomTopic("075", "0750001a-b12", kind, name)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "estrade/v1/075/b12",
        "estrade/v2/075/b12/status",
        "estrade/v1/075/B12/status",
        "estrade/v1/ctl/c-1/status",
        "estrade/v1/075/b12/status/more",
        "estrade/v1/075/b12/event",
        "estrade/v1/075/b12/event/UPPER",
        "estrade/v1/+/b12/status",
    ],
)
def test_anything_else_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse(topic)


def test_a_shared_filter_is_of_one_group_for_all_controllers() -> None:
    assert topics.shared(topics.ALL_EVENTS) == "$share/estrade/estrade/v1/+/+/event/#"
    assert topics.shared(topics.ALL_REQUESTS) == "$share/estrade/estrade/v1/+/+/req/#"


@pytest.mark.parametrize("bad", ["ab", "-abc", "abc-", "a" * 49, "A12", "a_b", "a/b", "a+b", "été"])
def test_ids_are_checked_when_a_topic_is_built(bad: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        RoomTopics("075", bad)
    with pytest.raises(ValueError, match="is not an id"):
        topics.controller_reply("main", bad)


@pytest.mark.parametrize("id_", ["abc\n", "abc ", "ab", "-abc", "Abc"])
def test_what_is_no_id_is_refused(id_: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        RoomTopics("075", id_)


def test_no_territory_is_called_as_the_controllers_place() -> None:
    with pytest.raises(ValueError, match='"ctl" is no territory'):
        RoomTopics("ctl", "salle-b12")


def test_a_name_ends_where_the_topic_ends() -> None:
    with pytest.raises(ValueError, match="not a topic"):
        topics.parse("estrade/v1/075/0750001a-b12/cmd/rtc.offer\n")
