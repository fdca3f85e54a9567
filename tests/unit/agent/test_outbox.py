"""A fact stays on disk until the centre has said that it stored it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.outbox import Outbox
from protocol.messages import ViewerJoined


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "deep" / "outbox.sqlite")
    yield box
    box.close()


def _add(outbox: Outbox, count: int) -> list[str]:
    return [outbox.add(ViewerJoined(viewer=f"v-{number}")).id for number in range(count)]


def test_events_come_oldest_first_and_bounded(outbox: Outbox) -> None:
    ids = _add(outbox, 5)
    assert [event.id for event in outbox.oldest(3)] == ids[:3]


def test_only_what_is_acknowledged_goes(outbox: Outbox) -> None:
    ids = _add(outbox, 3)
    assert outbox.acknowledge([ids[1], "never-was"]) == 1
    assert [event.id for event in outbox.oldest(10)] == [ids[0], ids[2]]
    assert len(outbox) == 2


def test_events_survive_the_agent(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    ids = _add(first, 2)
    first.close()
    second = Outbox(tmp_path / "outbox.sqlite")
    assert [event.id for event in second.oldest(10)] == ids
    second.close()


def test_whoever_sends_hears_of_each_new_event(outbox: Outbox) -> None:
    heard: list[int] = []
    outbox.on_added(lambda: heard.append(len(outbox)))
    _add(outbox, 2)
    assert heard == [1, 2]
