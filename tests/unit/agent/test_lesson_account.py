"""What is said of a lesson after it: what lasted, for whom, and nothing that somebody chose."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.lesson_account import LessonAccount, PupilNow
from agent.reception import Verdict
from agent.streams.ladder import Why
from protocol.panel import WhyDeaf

HEARS = Verdict("heard", None, True)


def deaf(why: WhyDeaf = "no-sound") -> Verdict:
    return Verdict("not-heard", why, True)


def now(pupil: str, verdict: Verdict = HEARS, why: Why = "best", *, is_complaining: bool = False) -> PupilNow:
    return PupilNow(pupil, verdict, why, is_complaining=is_complaining)


class Lesson:
    """A lesson in model time, with four looks a second."""

    def __init__(self) -> None:
        self.account = LessonAccount()
        self.looks = 0

    def go(self, seconds: float, *pupils: PupilNow, is_let_out: bool = True) -> None:
        for _ in range(round(seconds * 4)):
            self.account.look(pupils, self.looks / 4, is_let_out=is_let_out)
            self.looks += 1

    def said(self) -> Sequence[str]:
        return [one.fr for one in self.account.problems()]


def test_a_lesson_that_all_heard_leaves_nothing_to_say() -> None:
    lesson = Lesson()
    lesson.go(600, now("p1"), now("p2"))
    lesson.go(5, now("p1", deaf()), now("p2"))
    lesson.go(20, now("p1", why="line"), now("p2"))
    assert lesson.said() == []


def test_who_did_not_hear_is_counted_of_all_with_how_long() -> None:
    lesson = Lesson()
    lesson.go(600, now("p1"), now("p2"), now("p3"))
    lesson.go(185, now("p1", deaf("silent")), now("p2"), now("p3"))
    assert lesson.said() == ["1 élève sur 3 ne vous a pas entendu pendant 3\u00a0min."]
    lesson.go(40, now("p1"), now("p2", is_complaining=True), now("p3"))
    assert lesson.said() == ["2 élèves sur 3 ne vous ont pas entendu, jusqu’à 3\u00a0min."]
    assert [one.en for one in lesson.account.problems()] == ["2 pupils of 3 did not hear you, for up to 3\u00a0min."]


@pytest.mark.parametrize("own", ["muted", "volume-0"])
def test_what_a_pupil_or_the_teacher_chose_is_no_fault(own: WhyDeaf) -> None:
    lesson = Lesson()
    lesson.go(100, now("p1", deaf(own)), now("p2", why="wish"), now("p3", why="decoder"))
    lesson.go(100, now("p1", deaf("microphone")), is_let_out=False)
    lesson.go(100, now("p1", deaf("no-report")), now("p1"))  # by another connection it hears
    assert lesson.said() == []


def test_reduced_pictures_are_told_with_their_cause_and_the_room_s_own_once() -> None:
    lesson = Lesson()
    lesson.go(45, now("p1", why="machine"), now("p2", why="machine"))
    lesson.go(240, now("p1", why="uplink"), now("p2", why="line"))
    assert lesson.said() == [
        "Les images ont été réduites pendant 45\u00a0s\u00a0: l’ordinateur de la salle avait trop à faire.",
        "Les images ont été réduites pendant 4\u00a0min\u00a0: la connexion de la salle était pleine.",
        "1 élève sur 2 a reçu des images réduites pendant 4\u00a0min\u00a0: sa connexion était faible.",
    ]
