"""Checks go with a health when they are news, when they are old, and when somebody listens who does not know them."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.checks_told import WHOLE_EVERY_S, ChecksTold
from protocol.messages import Check, CheckStatus, Text

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def check(status: CheckStatus = CheckStatus.OK, value: float = 1.0, message: str = "well") -> Check:
    return Check(id="sound-level", status=status, since=AT, value=value, message=Text(fr=message, en=message))


class Room:
    """What would be told, by a clock of the test's own."""

    def __init__(self, *protos: int) -> None:
        self.mono_s = 100.0
        self.told = ChecksTold(lambda: self.mono_s)
        self.told.controllers_are(protos)

    def tells(self, *checks: Check, sid: str = "s-1") -> bool:
        is_due = self.told.are_due(sid, checks)
        if is_due:
            self.told.told(sid, checks)
        return is_due


def test_checks_that_stay_as_they_were_are_told_each_30_s() -> None:
    room = Room(2)
    assert room.tells(check())
    assert not room.tells(check())
    room.mono_s += WHOLE_EVERY_S - 0.1
    assert not room.tells(check(value=2.0))  # a value that moves is no news
    room.mono_s += 0.1
    assert room.tells(check(value=3.0))
    assert not room.tells(check(value=3.0))


def test_another_status_sentence_or_set_of_checks_is_told_at_once() -> None:
    room = Room(2)
    assert room.tells(check())
    assert room.tells(check(CheckStatus.WARNING))
    assert room.tells(check(CheckStatus.WARNING, message="too quiet"))
    assert room.tells()
    assert not room.tells()


def test_a_new_connection_and_a_controller_that_comes_are_told_everything() -> None:
    room = Room(2)
    assert room.tells(check())
    assert room.tells(check(), sid="s-2")
    room.told.controllers_are((2, 2))
    assert room.tells(check(), sid="s-2")
    assert not room.tells(check(), sid="s-2")


def test_what_was_not_sent_is_told_with_the_next() -> None:
    room = Room(2)
    assert room.tells(check())
    room.told.forget()
    assert room.tells(check())


def test_one_controller_of_version_1_is_enough_for_the_checks_to_be_in_each_health() -> None:
    for protos in ((), (1,), (2, 1)):
        room = Room(*protos)
        assert [room.tells(check()) for _ in range(3)] == [True, True, True]
