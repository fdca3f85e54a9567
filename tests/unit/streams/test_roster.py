"""A pupil who comes back keeps the place, and is never there twice."""

from __future__ import annotations

from agent.streams.roster import Roster
from agent.streams.viewer import ViewerView


def view(viewer: str, joined_mono_s: float, *, is_connected: bool = True) -> ViewerView:
    return ViewerView(viewer, "", False, joined_mono_s, is_connected, None)


def test_who_comes_back_by_another_connection_keeps_the_place() -> None:
    roster = Roster()
    for holder, mono_s in (("lina", 10.0), ("noe", 20.0), ("lina", 60.0)):
        roster.arrived(holder, mono_s)
    lines = roster.lines([("noe", view("v2", 20.0)), ("lina", view("v3", 60.0))])
    assert [(line.id, line.joined_mono_s) for line in lines] == [("v3", 10.0), ("v2", 20.0)]


def test_a_new_connection_beside_the_old_one_is_no_second_pupil() -> None:
    roster = Roster()
    roster.arrived("lina", 10.0)
    old, new = view("v1", 10.0), view("v2", 60.0, is_connected=False)
    assert [line.id for line in roster.lines([("lina", old), ("lina", new)])] == ["v1"]
    roster.arrived("lina", 61.0)
    assert [line.id for line in roster.lines([("lina", old), ("lina", view("v2", 61.0))])] == ["v2"]


def test_who_has_no_ticket_stands_alone() -> None:
    lines = Roster().lines([("v1", view("v1", 10.0)), ("v2", view("v2", 5.0))])
    assert [line.id for line in lines] == ["v2", "v1"]
