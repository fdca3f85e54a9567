"""The pupils of one lesson: who may come in, hands in order, questions, reactions, and what each is told of it.

Pure: time is passed in, and who calls sends what `Audience.due` returns. A pupil is known by the ticket's mark (the
*holder*), so that who comes back by another connection keeps place, hand, questions and admission. Names and questions
are here and nowhere else, for as long as the lesson.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from agent.questions import Questions
from protocol import channel
from protocol.errors import AccessError, LessonError
from protocol.messages import Token
from protocol.panel import (
    PanelAudience,
    PanelHand,
    PanelKnock,
    PanelQuestion,
    PanelReaction,
    PanelTrouble,
    ReactionKind,
)

YOU_GAP_S = 0.1
"""Each pupil is told of itself this often at most, whatever changes meanwhile."""
HAND_GAP_S = 0.1
"""A hand changes this often at most; of wishes that come faster the last one counts."""
HAND_AWAY_S = 120.0
"""A raised hand waits this long for a pupil whose line broke."""
OWN_CHOICE = ("muted", "in-room", "volume", "paused", "teacher")
"""What a page finds that somebody, there or in the room, asked for."""
REACTION_S = 8.0
REACTION_GAP_S = 0.3
TROUBLE_S = 60.0
"""How long the panel says that a pupil touched *Je n'entends pas* if nothing shows that it is over."""
FINE = "fine"
"""What a page finds that plays everything: what is wrong is behind the browser, and no sound proves that it is over."""
PEOPLE_MOST = 500
"""Remembered at once; of more, who left longest ago is forgotten."""
MARKS_MOST = 1_000


class Door(BaseModel):
    """Who may come in; kept with the lesson. ``admitted`` and ``refused`` are tickets' marks, which name nobody."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    has_lobby: bool = False
    is_locked: bool = False
    admitted: tuple[Token, ...] = ()
    refused: tuple[Token, ...] = ()


@dataclass(slots=True)
class _Pupil:
    id: str
    holder: str | None
    arrived_mono_s: float
    is_admitted: bool
    viewers: set[str] = field(default_factory=set)
    name: str = ""
    is_in_room: bool = False
    wants_hand: bool = False
    hand_changed_mono_s: float = -math.inf
    raised_mono_s: float | None = None
    is_taken: bool = False
    left_mono_s: float | None = None
    reaction: ReactionKind | None = None
    reacted_mono_s: float = -math.inf
    trouble: str | None = None
    trouble_mono_s: float = -math.inf

    @property
    def is_there(self) -> bool:
        return self.is_admitted and bool(self.viewers)

    @property
    def may_speak(self) -> bool:
        """Its hand is taken, and a microphone would not howl; who has no ticket cannot be told from another."""
        return self.is_taken and not self.is_in_room and self.holder is not None

    def is_troubled(self, mono_s: float) -> bool:
        return self.trouble is not None and mono_s - self.trouble_mono_s < TROUBLE_S

    def hand_down(self) -> None:
        self.wants_hand = self.is_taken = False
        self.raised_mono_s = None


@dataclass(slots=True)
class _Told:
    """What a connection was last told of its pupil; it is told nothing before it said hello."""

    you: channel.You | None = None
    mono_s: float = -math.inf


class Audience:
    """The pupils of one lesson. After each call, ask `due` what is to be said and when to ask again."""

    def __init__(self, door: Door) -> None:
        self.has_lobby = door.has_lobby
        self.is_locked = door.is_locked
        self._admitted = dict.fromkeys(door.admitted)
        self._refused = dict.fromkeys(door.refused)
        self._pupils: dict[str, _Pupil] = {}
        self._by_viewer: dict[str, _Pupil] = {}
        self._told: dict[str, _Told] = {}
        self._answers: list[tuple[str, channel.QuestionState]] = []
        self._questions = Questions()
        self._count = 0

    @property
    def door(self) -> Door:
        """Return what has to survive a fall of the agent."""
        return Door(
            has_lobby=self.has_lobby,
            is_locked=self.is_locked,
            admitted=tuple(self._admitted),
            refused=tuple(self._refused),
        )

    # --- who comes and goes ---------------------------------------------------------------------------------------

    def check(self, holder: str | None) -> None:
        """Raise unless an offer of this holder is welcome: AccessError ``not-admitted``, LessonError ``lesson-locked``.

        None is a viewer without a ticket, which nobody can know again.
        """
        if holder is not None and holder in self._refused:
            raise AccessError("the teacher does not let this pupil into the lesson", code="not-admitted")
        if self.is_locked and (holder is None or holder not in self._admitted):
            raise LessonError("the teacher has locked the lesson: nobody new comes in", code="lesson-locked")

    def arrive(self, viewer: str, holder: str | None, mono_s: float) -> bool:
        """Note a connection that stands; False: it knocks, and gets no media before it is admitted."""
        pupil = next((one for one in self._pupils.values() if holder is not None and one.holder == holder), None)
        if pupil is None:
            self._count += 1
            is_known = holder is not None and holder in self._admitted
            is_refused = holder is not None and holder in self._refused
            is_admitted = not is_refused and (is_known or not (self.has_lobby or self.is_locked))
            pupil = _Pupil(f"p{self._count}", holder, mono_s, is_admitted)
            self._pupils[pupil.id] = pupil
            self._forget_some()
        pupil.viewers.add(viewer)
        pupil.left_mono_s = None
        self._by_viewer[viewer] = pupil
        if pupil.is_admitted:
            self._mark_admitted(pupil)
        return pupil.is_admitted

    def leave(self, viewer: str, mono_s: float) -> None:
        """Note that a connection is gone."""
        self._told.pop(viewer, None)
        pupil = self._by_viewer.pop(viewer, None)
        if pupil is None:
            return
        pupil.viewers.discard(viewer)
        if pupil.viewers:
            return
        pupil.left_mono_s = mono_s
        if pupil.holder is None:  # it cannot be known again
            self._drop(pupil)

    def pupil_of(self, viewer: str) -> str:
        """Return the id under which the panel names the pupil of a connection; empty for one that is not known."""
        pupil = self._by_viewer.get(viewer)
        return pupil.id if pupil else ""

    def _forget_some(self) -> None:
        gone = sorted(
            (one for one in self._pupils.values() if one.left_mono_s is not None),
            key=lambda one: one.left_mono_s or 0.0,
        )
        for pupil in gone[: max(0, len(self._pupils) - PEOPLE_MOST)]:
            self._drop(pupil)

    def _drop(self, pupil: _Pupil) -> None:
        self._pupils.pop(pupil.id, None)
        self._questions.forget(pupil.id)

    def _mark_admitted(self, pupil: _Pupil) -> None:
        if pupil.holder is not None:
            _mark(self._admitted, pupil.holder)

    # --- what pupils say ------------------------------------------------------------------------------------------

    def hear(self, viewer: str, message: channel.FromPupil, mono_s: float) -> bool:
        """Take a message of a pupil; True when it may change what the panel shows."""
        pupil = self._by_viewer.get(viewer)
        if pupil is None:
            return False
        if isinstance(message, channel.Hello):
            pupil.name, pupil.is_in_room = message.name, message.is_in_room
            self._told[viewer] = _Told()
        elif isinstance(message, channel.Question):
            self._ask(pupil, viewer, message, mono_s)
        elif not pupil.is_admitted:
            return False
        elif isinstance(message, channel.Hand):
            pupil.wants_hand = message.is_raised
        elif isinstance(message, channel.Reaction):
            if mono_s - pupil.reacted_mono_s < REACTION_GAP_S:
                return False
            pupil.reaction, pupil.reacted_mono_s = message.kind, mono_s
        elif isinstance(message, channel.CannotHear):
            pupil.trouble, pupil.trouble_mono_s = message.found, mono_s
        elif isinstance(message, channel.CanHear):
            pupil.trouble = None
        else:
            return False
        return True

    def _ask(self, pupil: _Pupil, viewer: str, question: channel.Question, mono_s: float) -> None:
        state = self._questions.ask(pupil.id, question.id, question.text, mono_s) if pupil.is_admitted else "refused"
        self._answers.append((viewer, channel.QuestionState(id=question.id, state=state)))

    def is_complaining(self, viewer: str, mono_s: float) -> bool:
        """Say whether a connection's pupil says now that it does not hear, and did not choose so."""
        pupil = self._by_viewer.get(viewer)
        return pupil is not None and pupil.is_troubled(mono_s) and pupil.trouble not in OWN_CHOICE

    def hears_again(self, has_heard_since: Callable[[str, float], bool]) -> bool:
        """Forget the troubles that sound proves to be over; True when there was one.

        ``has_heard_since`` says of a connection whether it surely heard the teacher after a time.
        """
        over = [
            pupil
            for pupil in self._pupils.values()
            if pupil.trouble not in (None, FINE)
            and any(has_heard_since(viewer, pupil.trouble_mono_s) for viewer in pupil.viewers)
        ]
        for pupil in over:
            pupil.trouble = None
        return bool(over)

    # --- what the teacher does ------------------------------------------------------------------------------------

    def set_lobby(self, has_lobby: bool) -> tuple[str, ...]:
        """Have newcomers wait until they are let in, or not; return the connections that are let in by this."""
        self.has_lobby = has_lobby
        return self._admit_as_the_door_stands()

    def set_locked(self, is_locked: bool) -> tuple[str, ...]:
        """Let nobody new in, or open again; who was in comes back all the same. Return as `set_lobby`."""
        self.is_locked = is_locked
        return self._admit_as_the_door_stands()

    def _admit_as_the_door_stands(self) -> tuple[str, ...]:
        return () if self.has_lobby or self.is_locked else self.admit_all()

    def admit(self, pupil: str) -> tuple[str, ...]:
        """Let in who knocks; return its connections. Raises LessonError ``pupil-not-found``."""
        known = self._known(pupil)
        known.is_admitted = True
        self._mark_admitted(known)
        return tuple(known.viewers)

    def admit_all(self) -> tuple[str, ...]:
        """Let everybody in who knocks; return their connections."""
        return tuple(viewer for one in self._knocking() for viewer in self.admit(one.id))

    def send_away(self, pupil: str) -> tuple[str | None, tuple[str, ...]]:
        """Refuse or remove a pupil for the rest of the lesson; return its holder and connections.

        Raises LessonError ``pupil-not-found``.
        """
        known = self._known(pupil)
        if known.holder is not None:
            self._admitted.pop(known.holder, None)
            _mark(self._refused, known.holder)
        viewers = tuple(known.viewers)
        for viewer in viewers:
            self._by_viewer.pop(viewer, None)
            self._told.pop(viewer, None)
        self._drop(known)
        return known.holder, viewers

    def take_hand(self, pupil: str) -> None:
        """Call a pupil whose hand is up; the one called before is done. Raises LessonError ``pupil-not-found``."""
        known = self._known(pupil)
        if known.raised_mono_s is None:
            raise LessonError("this pupil has taken the hand down", code="pupil-not-found")
        for one in self._pupils.values():
            if one.is_taken and one is not known:
                one.hand_down()
        known.is_taken = True

    def lower_hand(self, pupil: str) -> None:
        """Take a hand down. Raises LessonError ``pupil-not-found``."""
        self._known(pupil).hand_down()

    def lower_all(self) -> None:
        """Take all hands down."""
        for one in self._pupils.values():
            one.hand_down()

    def answer(self, pupil: str, question: str) -> None:
        """Put a question away as answered. Raises LessonError ``pupil-not-found``."""
        known = self._known(pupil)
        if not self._questions.answer(pupil, question):
            raise LessonError("this question does not wait any more", code="pupil-not-found")
        said = channel.QuestionState(id=question, state="answered")
        self._answers += [(viewer, said) for viewer in sorted(known.viewers)]

    def settle(self, pupil: str) -> None:
        """Say no more that a pupil does not hear. Raises LessonError ``pupil-not-found``."""
        self._known(pupil).trouble = None

    def floor(self) -> tuple[str, str, str] | None:
        """Return mark, id and name of the pupil whose microphone the room takes; None: nobody's."""
        called = next((one for one in self._pupils.values() if one.may_speak), None)
        return None if called is None else (called.holder or "", called.id, called.name)

    def _known(self, pupil: str) -> _Pupil:
        known = self._pupils.get(pupil)
        if known is None:
            raise LessonError("this pupil is not there any more", code="pupil-not-found")
        return known

    # --- what is said ---------------------------------------------------------------------------------------------

    def due(self, mono_s: float) -> list[tuple[str, channel.FromRoom]]:
        """Return what connections are to be told now; each is told of its pupil at most each `YOU_GAP_S`."""
        for pupil in self._pupils.values():
            self._move_hand(pupil, mono_s)
        said: list[tuple[str, channel.FromRoom]] = []
        places = {pupil.id: place for place, pupil in enumerate(self._raised(), 1)}
        for viewer, told in self._told.items():
            you = _you(self._by_viewer[viewer], places)
            if you != told.you and mono_s - told.mono_s >= YOU_GAP_S:
                told.you, told.mono_s = you, mono_s
                said.append((viewer, you))
        answers, self._answers = self._answers, []
        return said + [one for one in answers if one[0] in self._told]

    def next_mono_s(self, mono_s: float) -> float | None:
        """Return when something changes by itself, so that `due` is asked again; None: not before somebody acts."""
        places = {pupil.id: place for place, pupil in enumerate(self._raised(), 1)}
        times = [
            told.mono_s + YOU_GAP_S
            for viewer, told in self._told.items()
            if told.you != _you(self._by_viewer[viewer], places)
        ]
        for pupil in self._pupils.values():
            if pupil.wants_hand != (pupil.raised_mono_s is not None):
                times.append(pupil.hand_changed_mono_s + HAND_GAP_S)
            if pupil.raised_mono_s is not None and pupil.left_mono_s is not None:
                times.append(pupil.left_mono_s + HAND_AWAY_S)
            times += [at for at in (pupil.reacted_mono_s + REACTION_S, pupil.trouble_mono_s + TROUBLE_S) if at > mono_s]
        return max(mono_s, min(times)) if times else None

    def _move_hand(self, pupil: _Pupil, mono_s: float) -> None:
        if pupil.left_mono_s is not None and mono_s - pupil.left_mono_s >= HAND_AWAY_S:
            pupil.hand_down()
        is_up = pupil.raised_mono_s is not None
        if pupil.wants_hand == is_up or mono_s - pupil.hand_changed_mono_s < HAND_GAP_S:
            return
        pupil.hand_changed_mono_s = mono_s
        if pupil.wants_hand:
            pupil.raised_mono_s = mono_s
        else:
            pupil.hand_down()

    def _raised(self) -> list[_Pupil]:
        """Return who waits with a hand up, in order; who is called waits no more, who is away is not counted."""
        up = [one for one in self._pupils.values() if one.raised_mono_s is not None and one.is_there]
        return sorted((one for one in up if not one.is_taken), key=lambda one: one.raised_mono_s or 0.0)

    def _knocking(self) -> list[_Pupil]:
        return [one for one in self._pupils.values() if one.viewers and not one.is_admitted]

    # --- what the panel shows -------------------------------------------------------------------------------------

    def view(self, mono_s: float) -> PanelAudience:
        """Return what the panel shows of the pupils, beside the list of who is there."""
        called = [one for one in self._pupils.values() if one.is_taken and one.is_there]
        there = [one for one in self._pupils.values() if one.is_there]
        return PanelAudience(
            has_lobby=self.has_lobby,
            is_locked=self.is_locked,
            knocking=tuple(
                PanelKnock(pupil=one.id, name=one.name, since_s=mono_s - one.arrived_mono_s) for one in self._knocking()
            ),
            hands=tuple(
                PanelHand(
                    pupil=one.id, name=one.name, since_s=mono_s - (one.raised_mono_s or mono_s), is_taken=one.is_taken
                )
                for one in (*called, *self._raised())
            ),
            questions=tuple(
                PanelQuestion(
                    pupil=one.pupil,
                    id=one.id,
                    name=self._pupils[one.pupil].name,
                    text=one.text,
                    since_s=mono_s - one.asked_mono_s,
                )
                for one in self._questions.open()
            ),
            reactions=_counted(
                one.reaction for one in there if one.reaction and mono_s - one.reacted_mono_s < REACTION_S
            ),
            troubles=tuple(
                PanelTrouble(pupil=one.id, found=one.trouble)
                for one in there
                if one.trouble is not None and one.is_troubled(mono_s)
            ),
        )


def _mark(marks: dict[str, None], holder: str) -> None:
    marks[holder] = None
    while len(marks) > MARKS_MOST:
        del marks[next(iter(marks))]


def _you(pupil: _Pupil, places: dict[str, int]) -> channel.You:
    if not pupil.is_admitted:
        return channel.You(is_admitted=False)
    if pupil.is_taken:
        return channel.You(hand="taken", may_speak=pupil.may_speak)
    place = places.get(pupil.id)
    return channel.You() if place is None else channel.You(hand="raised", place=place)


def _counted(kinds: Iterable[ReactionKind]) -> tuple[PanelReaction, ...]:
    counts: dict[ReactionKind, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return tuple(PanelReaction(kind=kind, count=count) for kind, count in sorted(counts.items()))
