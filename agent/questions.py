"""Written questions of one lesson: bounded, each once however often it is sent, kept until it is answered.

Pure, and in memory alone: what a pupil writes is nowhere else, and gone with the lesson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OPEN_OF_PUPIL_MOST = 5
OPEN_MOST = 100
"""In all; more are not read in a lesson, and they would bury each other."""
ANSWERED_OF_PUPIL_MOST = 50
"""Remembered by their id alone, so that one sent again after its answer is no new one."""

State = Literal["received", "answered", "refused"]


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits for its answer. ``id`` is the page's own, so it names one only beside ``pupil``."""

    pupil: str
    id: str
    text: str
    asked_mono_s: float


class Questions:
    """The questions of a lesson, oldest first."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], OpenQuestion] = {}
        self._answered: dict[str, dict[str, None]] = {}

    def ask(self, pupil: str, question: str, text: str, mono_s: float) -> State:
        """Take a question and return what became of it; ``refused``: too many wait already."""
        if question in self._answered.get(pupil, ()):
            return "answered"
        if (pupil, question) in self._open:
            return "received"
        of_pupil = sum(one.pupil == pupil for one in self._open.values())
        if of_pupil >= OPEN_OF_PUPIL_MOST or len(self._open) >= OPEN_MOST:
            return "refused"
        self._open[pupil, question] = OpenQuestion(pupil, question, text, mono_s)
        return "received"

    def answer(self, pupil: str, question: str) -> bool:
        """Put a question away as answered; False when it does not wait."""
        if self._open.pop((pupil, question), None) is None:
            return False
        answered = self._answered.setdefault(pupil, {})
        answered[question] = None
        while len(answered) > ANSWERED_OF_PUPIL_MOST:
            del answered[next(iter(answered))]
        return True

    def forget(self, pupil: str) -> None:
        """Drop all that a pupil asked."""
        self._answered.pop(pupil, None)
        for key in [key for key in self._open if key[0] == pupil]:
            del self._open[key]

    def open(self) -> tuple[OpenQuestion, ...]:
        """Return the questions that wait, oldest first."""
        return tuple(self._open.values())
