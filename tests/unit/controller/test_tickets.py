"""A ticket opens one lesson for a time, and its successor is the same pupil's."""

from __future__ import annotations

import pytest

from controller.keys import Keys
from controller.tickets import TICKET_LIFE_S, Tickets
from protocol.errors import AccessError


class World:
    now_s = 1_000.0

    def __init__(self) -> None:
        self.tickets = Tickets(Keys(bytes(32)), lambda: self.now_s)


def test_a_ticket_runs_out() -> None:
    world = World()
    token, ticket = world.tickets.issue("b12", "l-1")
    assert world.tickets.check(token) == ticket
    world.now_s += TICKET_LIFE_S
    with pytest.raises(AccessError):
        world.tickets.check(token)


def test_a_ticket_in_place_of_another_is_the_same_pupil_s() -> None:
    world = World()
    token, ticket = world.tickets.issue("b12", "l-1")
    world.now_s += 60
    _, renewed = world.tickets.issue("b12", "l-1", in_place_of=token)
    assert renewed.jti == ticket.jti
    assert renewed.expires == ticket.expires + 60


@pytest.mark.parametrize("other", [("b13", "l-1"), ("b12", "l-2")])
def test_a_ticket_of_another_lesson_gives_no_place(other: tuple[str, str]) -> None:
    world = World()
    token, ticket = world.tickets.issue("b12", "l-1")
    assert world.tickets.issue(*other, in_place_of=token)[1].jti != ticket.jti


@pytest.mark.parametrize("token", ["", "nonsense", "a.b"])
def test_a_ticket_that_is_none_gives_no_place_and_no_error(token: str) -> None:
    assert World().tickets.issue("b12", "l-1", in_place_of=token)[1].jti


def test_one_that_ran_out_gives_no_place() -> None:
    world = World()
    token, ticket = world.tickets.issue("b12", "l-1")
    world.now_s += TICKET_LIFE_S
    assert world.tickets.issue("b12", "l-1", in_place_of=token)[1].jti != ticket.jti
