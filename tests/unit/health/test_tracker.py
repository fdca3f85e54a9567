"""Evidence has to hold, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.health.reading import Reading
from agent.health.specs import SPECS
from agent.health.tracker import Tracker
from agent.health.words import WORDS, words
from protocol.messages import Check, CheckStatus

OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Room:
    """A tracker that is looked into four times a second."""

    def __init__(self, check: str) -> None:
        self.check_id = check
        self.tracker = Tracker()
        self.mono_s = 100.0

    def sees(self, status: CheckStatus, for_s: float, variant: str = "") -> list[CheckStatus]:
        """Have the same seen for so long; return what was told after each look."""
        told = []
        for _ in range(round(for_s * 4)):
            self.take(Reading(self.check_id, status, 1.0, "%", variant))
            told.append(self.check().status)
        return told

    def take(self, *readings: Reading) -> None:
        self.mono_s += 0.25
        self.tracker.take(readings, self.mono_s, self.at)

    def check(self) -> Check:
        (check,) = self.tracker.checks()
        return check

    @property
    def at(self) -> datetime:
        return NOON + timedelta(seconds=self.mono_s)


def test_fault_is_told_once_its_evidence_has_held_and_since_it_began() -> None:
    room = Room("picture-black")
    assert room.sees(OK, 5) == [OK] * 20
    began = room.at + timedelta(seconds=0.25)
    told = room.sees(CRITICAL, 3)
    assert told == [OK] * 8 + [CRITICAL] * 4
    check = room.check()
    assert check.since == began
    assert (check.message, check.remedy) == words("picture-black")
    assert (check.value, check.unit) == (1.0, "%")


def test_moment_is_no_fault() -> None:
    room = Room("picture-black")
    room.sees(OK, 5)
    for _ in range(10):
        assert set(room.sees(CRITICAL, 1.75)) == {OK}
        assert set(room.sees(OK, 0.25)) == {OK}


def test_fault_is_taken_back_only_after_calm() -> None:
    room = Room("picture-black")
    room.sees(CRITICAL, 5)
    for _ in range(5):
        assert set(room.sees(OK, 1.75)) == {CRITICAL}
        room.sees(CRITICAL, 0.25)
    assert room.sees(OK, 3) == [CRITICAL] * 8 + [OK] * 4
    assert room.check().message is None


def test_slow_fault_may_have_gaps() -> None:
    room = Room("picture-blurred")
    told = [status for _ in range(6) for status in (*room.sees(WARNING, 3), *room.sees(OK, 0.5))]
    assert told[-1] is WARNING


def test_fault_from_the_first_look_on_is_unknown_until_it_has_held() -> None:
    room = Room("picture-black")
    assert room.sees(CRITICAL, 2.25) == [UNKNOWN] * 8 + [CRITICAL]


def test_warning_becomes_critical_and_goes_the_same_way_back() -> None:
    room = Room("picture-no-frames")
    assert room.sees(OK, 1)[-1] is OK
    assert room.sees(WARNING, 1)[-1] is WARNING
    assert room.sees(CRITICAL, 1)[-1] is CRITICAL
    assert room.sees(WARNING, 3)[-1] is WARNING
    assert room.sees(OK, 3)[-1] is OK


def test_unknown_keeps_what_was_for_a_bounded_time() -> None:
    room = Room("picture-black")
    room.sees(CRITICAL, 5)
    keep_s = SPECS["picture-black"].keep_s
    told = room.sees(UNKNOWN, keep_s + 5)
    assert told == [CRITICAL] * round(keep_s * 4) + [UNKNOWN] * 20
    assert room.check().message is None


def test_no_reading_at_all_is_as_good_as_unknown() -> None:
    room = Room("picture-black")
    room.sees(CRITICAL, 5)
    for _ in range(4 * 31):
        room.take()
    assert room.check().status is UNKNOWN


def test_looks_that_are_minutes_apart_are_not_one_observation() -> None:
    room = Room("picture-black")
    room.sees(OK, 3)
    for _ in range(5):
        room.mono_s += 25
        assert room.sees(CRITICAL, 0.25) == [OK]


def test_variant_chooses_the_sentence() -> None:
    room = Room("picture-moved")
    room.sees(WARNING, 30, "other-scene")
    assert room.check().message == words("picture-moved", "other-scene")[0]
    room.sees(WARNING, 30)
    assert room.check().message == words("picture-moved")[0]


def test_closed_device_is_forgotten_alone() -> None:
    tracker = Tracker()
    tracker.take((Reading("picture-black", OK), Reading("sound-dead", OK)), 1.0, NOON)
    tracker.forget("picture-")
    assert [check.id for check in tracker.checks()] == ["sound-dead"]


@pytest.mark.parametrize("check", SPECS)
def test_every_check_has_words_in_both_languages(check: str) -> None:
    for variant in WORDS[check]:
        for text in words(check, variant):
            assert text.fr != text.en
            assert text.fr.endswith(".")
            assert text.en.endswith(".")
            before = [text.fr[at - 1] for at, sign in enumerate(text.fr) if sign in ":;?!"]
            assert set(before) <= {"\u00a0"}, text.fr


def test_nothing_has_words_without_a_spec() -> None:
    assert set(WORDS) == set(SPECS)
