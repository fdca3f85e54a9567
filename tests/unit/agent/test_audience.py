"""The pupils of a lesson: the door, hands in order, questions, reactions, and what each is told of it."""

from __future__ import annotations

import pytest

from agent.audience import HAND_AWAY_S, PEOPLE_MOST, REACTION_S, TROUBLE_S, YOU_GAP_S, Audience, Door
from agent.questions import OPEN_MOST, OPEN_OF_PUPIL_MOST
from protocol import channel
from protocol.channel import You
from protocol.errors import AccessError, LessonError
from protocol.panel import PanelAudience

UP, DOWN = channel.Hand(is_raised=True), channel.Hand(is_raised=False)


class Class:
    """An audience with a clock; each pupil's connection is named after it, as its ticket is."""

    def __init__(self, door: Door | None = None) -> None:
        self.now_s = 100.0
        self.audience = Audience(door or Door())
        self.said: dict[str, list[channel.FromRoom]] = {}

    def comes(self, name: str, viewer: str = "", holder: str | None = "") -> bool:
        """A connection stands and says hello; True when it gets media."""
        viewer = viewer or f"v-{name}"
        is_in = self.audience.arrive(viewer, f"t-{name}" if holder == "" else holder, self.now_s)
        self.says(viewer, channel.Hello(name=name))
        return is_in

    def says(self, viewer: str, *messages: channel.FromPupil) -> None:
        for message in messages:
            self.audience.hear(viewer, message, self.now_s)
        self.look()

    def look(self) -> None:
        for viewer, message in self.audience.due(self.now_s):
            self.said.setdefault(viewer, []).append(message)

    def later(self, passed_s: float) -> None:
        """Let time go by, and look whenever the audience asks to be looked at."""
        end_s = self.now_s + passed_s
        while (next_s := self.audience.next_mono_s(self.now_s)) is not None and next_s <= end_s:
            self.now_s = max(next_s, self.now_s + 1e-3)
            self.look()
        self.now_s = end_s

    def last(self, viewer: str) -> channel.FromRoom:
        return self.said[viewer][-1]

    @property
    def view(self) -> PanelAudience:
        return self.audience.view(self.now_s)

    def hands(self) -> list[str]:
        return [one.name + ("!" if one.is_taken else "") for one in self.view.hands]

    def id(self, name: str) -> str:
        return self.audience.pupil_of(f"v-{name}")


def test_hands_stand_in_the_order_in_which_they_were_raised() -> None:
    room = Class()
    for name in ("Lina", "Noé", "Zoé"):
        room.comes(name)
    for name in ("Noé", "Lina", "Zoé"):
        room.later(1)
        room.says(f"v-{name}", UP)
    assert room.hands() == ["Noé", "Lina", "Zoé"]
    assert [one.since_s for one in room.view.hands] == pytest.approx([2, 1, 0])
    assert room.last("v-Zoé") == You(hand="raised", place=3)

    room.audience.take_hand(room.id("Noé"))
    room.later(1)
    assert room.hands() == ["Noé!", "Lina", "Zoé"]
    assert room.last("v-Noé") == You(hand="taken", may_speak=True)
    assert room.audience.floor() == ("t-Noé", room.id("Noé"), "Noé")
    assert room.last("v-Zoé") == You(hand="raised", place=2)

    room.audience.take_hand(room.id("Lina"))  # who was called before is done
    room.later(1)
    assert room.hands() == ["Lina!", "Zoé"]
    assert room.last("v-Noé") == You()

    room.says("v-Lina", DOWN)
    room.audience.lower_hand(room.id("Zoé"))
    room.later(1)
    assert room.hands() == []
    assert room.last("v-Lina") == room.last("v-Zoé") == You()
    with pytest.raises(LessonError, match="taken the hand down"):
        room.audience.take_hand(room.id("Lina"))


def test_a_phone_in_the_room_is_called_and_given_no_microphone() -> None:
    room = Class()
    room.comes("Lina")
    room.says("v-Lina", channel.Hello(name="Lina", is_in_room=True), UP)
    room.later(1)
    room.audience.take_hand(room.id("Lina"))
    room.later(1)
    assert room.last("v-Lina") == You(hand="taken", may_speak=False)
    assert room.audience.floor() is None


def test_all_hands_go_down_at_once() -> None:
    room = Class()
    for name in ("Lina", "Noé"):
        room.comes(name)
        room.says(f"v-{name}", UP)
    room.audience.lower_all()
    room.later(1)
    assert room.hands() == []
    assert room.last("v-Lina") == room.last("v-Noé") == You()


def test_a_hand_raised_a_thousand_times_in_a_second_floods_nobody() -> None:
    room = Class()
    room.comes("Lina")
    room.comes("Noé")
    room.says("v-Noé", UP)
    room.later(1)
    room.said.clear()
    changes, before = 0, room.hands()
    for n in range(1_000):
        room.says("v-Lina", UP if n % 2 == 0 else DOWN)
        room.later(0.001)
        changes += room.hands() != before
        before = room.hands()
    room.says("v-Lina", UP)
    room.later(1)
    assert room.hands() == ["Noé", "Lina"], "the last wish counts"
    assert changes <= 11
    assert len(room.said["v-Lina"]) <= 1 / YOU_GAP_S + 2
    assert "v-Noé" not in room.said, "whose place did not change is told nothing"


def test_a_place_that_changes_many_times_at_once_is_told_once() -> None:
    room = Class()
    names = [f"n{n}" for n in range(20)]
    for name in names:
        room.comes(name)
        room.says(f"v-{name}", UP)
        room.later(0.01)
    room.later(1)
    room.said.clear()
    for name in names[:-1]:
        room.audience.lower_hand(room.id(name))
        room.now_s += 0.001
        room.look()
    room.later(1)
    assert [one.place for one in room.said["v-n19"] if isinstance(one, You)] == [19, 1]


def test_who_comes_back_by_another_connection_keeps_hand_place_and_questions() -> None:
    room = Class()
    room.comes("Lina")
    room.says("v-Lina", UP, channel.Question(id="q1", text="Page 42 ?"))
    room.comes("Noé")
    room.later(1)
    room.says("v-Noé", UP)
    room.later(1)

    room.comes("Lina", "v-Lina-2")  # beside the old one, which ends by its silence
    assert room.hands() == ["Lina", "Noé"], "no doubled hand"
    assert room.last("v-Lina-2") == You(hand="raised", place=1)
    assert room.audience.pupil_of("v-Lina-2") == room.id("Lina")
    room.audience.leave("v-Lina", room.now_s)
    assert room.hands() == ["Lina", "Noé"]

    room.audience.leave("v-Lina-2", room.now_s)
    room.later(HAND_AWAY_S - 1)
    assert room.hands() == ["Noé"], "who is away is not called"
    assert room.last("v-Noé") == You(hand="raised", place=1)
    room.comes("Lina", "v-Lina-3")
    room.says("v-Lina-3", channel.Question(id="q1", text="Page 42 ?"))
    assert room.hands() == ["Lina", "Noé"]
    assert [one.text for one in room.view.questions] == ["Page 42 ?"], "sent again, it is still one"

    room.audience.leave("v-Lina-3", room.now_s)
    room.later(HAND_AWAY_S + 1)
    room.comes("Lina", "v-Lina-4")
    assert room.hands() == ["Noé"], "a hand does not wait for ever"


def test_nothing_is_told_before_hello() -> None:
    room = Class()
    room.audience.arrive("v-1", "t-1", room.now_s)
    room.later(1)
    assert room.said == {}
    room.says("v-1", channel.Hello())
    assert room.said == {"v-1": [You()]}


def test_questions_are_kept_until_they_are_answered_and_bounded() -> None:
    room = Class()
    room.comes("Lina")
    for n in range(OPEN_OF_PUPIL_MOST + 1):
        room.says("v-Lina", channel.Question(id=f"q{n}", text=f"Question {n}"))
    told = [one for one in room.said["v-Lina"] if isinstance(one, channel.QuestionState)]
    assert [one.state for one in told] == ["received"] * OPEN_OF_PUPIL_MOST + ["refused"]
    room.audience.leave("v-Lina", room.now_s)
    assert len(room.view.questions) == OPEN_OF_PUPIL_MOST, "also when its pupil has left"
    room.comes("Lina")
    room.audience.answer(room.id("Lina"), "q0")
    room.look()
    assert room.last("v-Lina") == channel.QuestionState(id="q0", state="answered")
    assert [one.id for one in room.view.questions] == ["q1", "q2", "q3", "q4"]
    room.says("v-Lina", channel.Question(id="q0", text="Question 0"))
    assert room.last("v-Lina") == channel.QuestionState(id="q0", state="answered"), "sent again, it is no new one"
    with pytest.raises(LessonError, match="does not wait"):
        room.audience.answer(room.id("Lina"), "q0")
    for n in range(OPEN_MOST):
        room.comes(f"n{n}")
        room.says(f"v-n{n}", channel.Question(id="q", text="?"))
    assert len(room.view.questions) == OPEN_MOST


def test_reactions_and_troubles_fade() -> None:
    room = Class()
    for name in ("Lina", "Noé"):
        room.comes(name)
        room.says(f"v-{name}", channel.Reaction(kind="lost"))
    room.says("v-Lina", channel.Reaction(kind="yes"))  # faster than anybody means it
    room.says("v-Noé", channel.CannotHear(found="muted"))
    assert [(one.kind, one.count) for one in room.view.reactions] == [("lost", 2)]
    assert [(one.pupil, one.found) for one in room.view.troubles] == [(room.id("Noé"), "muted")]
    assert room.audience.next_mono_s(room.now_s) == pytest.approx(room.now_s + REACTION_S)
    room.later(REACTION_S + 0.1)
    assert room.view.reactions == ()
    room.later(TROUBLE_S)
    assert room.view.troubles == ()
    assert room.audience.next_mono_s(room.now_s) is None


def test_not_hearing_is_said_no_more_once_sound_the_pupil_or_the_teacher_says_so() -> None:
    room = Class()
    for name in ("Lina", "Noé", "Zoé", "Ana"):
        room.comes(name)
        room.says(f"v-{name}", channel.CannotHear(found="silent" if name != "Ana" else "fine"))
    tapped_s = room.now_s
    assert not room.audience.hears_again(lambda viewer, mono_s: False)
    asked: list[tuple[str, float]] = []

    def has_heard_since(viewer: str, mono_s: float) -> bool:
        asked.append((viewer, mono_s))
        return viewer in ("v-Lina", "v-Ana")

    assert room.audience.hears_again(has_heard_since)
    assert asked == [("v-Lina", tapped_s), ("v-Noé", tapped_s), ("v-Zoé", tapped_s)]
    troubles = [one.pupil for one in room.view.troubles]
    assert troubles == [room.id("Noé"), room.id("Zoé"), room.id("Ana")], "a headset that is unplugged proves nothing"
    room.says("v-Noé", channel.CanHear())
    room.audience.settle(room.id("Zoé"))
    room.says("v-Ana", channel.CanHear())
    assert room.view.troubles == ()
    with pytest.raises(LessonError, match="not there"):
        room.audience.settle("p99")


def test_newcomers_wait_in_the_lobby_and_those_who_were_in_do_not() -> None:
    room = Class()
    assert room.comes("Lina")
    assert room.audience.set_lobby(True) == ()
    assert not room.comes("Noé")
    assert not room.comes("Zoé")
    assert room.last("v-Noé") == You(is_admitted=False)
    room.says("v-Noé", UP, channel.Reaction(kind="yes"), channel.Question(id="q1", text="Allô ?"))
    assert (room.hands(), room.view.reactions, room.view.questions) == ([], (), ())
    assert room.last("v-Noé") == channel.QuestionState(id="q1", state="refused")
    assert [one.name for one in room.view.knocking] == ["Noé", "Zoé"]

    assert room.audience.admit(room.id("Noé")) == ("v-Noé",)
    room.later(1)
    assert room.last("v-Noé") == You()
    assert room.comes("Noé", "v-Noé-2"), "who was let in comes back"
    assert room.comes("Lina", "v-Lina-2")
    assert [one.name for one in room.view.knocking] == ["Zoé"]
    assert not room.comes("Ana")
    room.audience.leave("v-Zoé", room.now_s)
    assert [one.name for one in room.view.knocking] == ["Ana"], "who went away knocks no more"
    assert room.audience.set_lobby(False) == ("v-Ana",), "without a lobby nobody waits"


def test_a_locked_lesson_takes_back_those_who_were_in_also_after_a_fall() -> None:
    room = Class()
    room.comes("Lina")
    room.comes("", "v-player", None)
    room.audience.set_locked(True)
    for audience in (room.audience, Audience(Door.model_validate_json(room.audience.door.model_dump_json()))):
        audience.check("t-Lina")
        for holder in ("t-Noé", None):
            with pytest.raises(LessonError, match="locked") as refused:
                audience.check(holder)
            assert refused.value.code == "lesson-locked"
    assert not room.comes("Noé"), "one who was on the way when it was locked waits for an answer"
    assert room.audience.set_lobby(True) == room.audience.set_lobby(False) == ()
    assert room.audience.set_locked(False) == ("v-Noé",)


@pytest.mark.parametrize("has_lobby", [False, True])
def test_who_is_sent_away_stays_out_also_after_a_fall_and_leaves_nothing(has_lobby: bool) -> None:
    room = Class()
    room.audience.set_lobby(has_lobby)
    room.comes("Lina")
    room.comes("Lina", "v-Lina-2")
    room.says("v-Lina", UP, channel.Question(id="q1", text="?"))
    holder, viewers = room.audience.send_away(room.id("Lina"))
    assert (holder, set(viewers)) == ("t-Lina", {"v-Lina", "v-Lina-2"})
    for audience in (room.audience, Audience(room.audience.door)):
        with pytest.raises(AccessError) as refused:
            audience.check("t-Lina")
        assert refused.value.code == "not-admitted"
        audience.check("t-Noé")
    assert "t-Lina" not in room.audience.door.admitted
    assert (room.hands(), room.view.questions, room.view.knocking) == ([], (), ())
    room.says("v-Lina", UP)  # what was on its way
    room.audience.leave("v-Lina", room.now_s)
    room.later(1)
    with pytest.raises(LessonError, match="not there"):
        room.audience.lower_hand("p1")


def test_a_viewer_without_a_ticket_is_forgotten_when_it_goes() -> None:
    room = Class()
    room.comes("Lina", "v-1", None)
    room.comes("Noé", "v-2", None)
    room.says("v-1", UP)
    assert room.hands() == ["Lina"]
    room.audience.leave("v-1", room.now_s)
    room.later(1)
    assert room.hands() == []
    assert room.audience.door.admitted == ()


def test_a_lesson_remembers_no_more_people_than_it_needs() -> None:
    room = Class()
    room.comes("Lina")
    for n in range(PEOPLE_MOST + 50):
        room.comes(f"n{n}")
        room.audience.leave(f"v-n{n}", room.now_s + n)
    assert len(room.audience._pupils) == PEOPLE_MOST
    assert room.audience.pupil_of("v-Lina") == "p1"
