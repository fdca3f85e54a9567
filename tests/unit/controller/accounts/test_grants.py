"""Who may do what, and where."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from controller.accounts.grants import EVERY_PLACE, GRANTED, ROLES, Permission, Place, covers, may
from controller.api.security import Part, by, check_routes, guarded
from controller.store.accounts import Grant, Role

ROOM = Place("075", "college-1", "salle-b12")
SCHOOL = Place("075", "college-1")
TERRITORY = Place("075")


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("all", {ROOM, SCHOOL, TERRITORY, EVERY_PLACE}),
        ("territory:075", {ROOM, SCHOOL, TERRITORY}),
        ("school:college-1", {ROOM, SCHOOL}),
        ("room:salle-b12", {ROOM}),
        ("territory:013", set()),
        ("school:075", set()),
        ("room:", set()),
        ("school:", set()),
        ("", set()),
        ("ALL", set()),
        ("country:fr", set()),
    ],
)
def test_a_scope_covers_what_lies_in_it_and_nothing_wider(scope: str, covered: set[Place]) -> None:
    places = (ROOM, SCHOOL, TERRITORY, EVERY_PLACE)
    assert {place for place in places if covers(scope, place)} == covered


def test_a_place_that_is_unknown_lies_in_no_territory() -> None:
    assert not covers("territory:", Place(None, None, "salle-x"))
    assert not covers("territory:None", Place(None, None, "salle-x"))
    assert covers("room:salle-x", Place(None, None, "salle-x"))


def test_what_each_role_may() -> None:
    allowed: dict[Role, set[Permission]] = {
        "admin": set(GRANTED),
        "teacher": {Permission.READ, Permission.LESSON, Permission.SCHEDULE},
        "viewer": {Permission.READ},
    }
    assert set(ROLES) == set(allowed)
    for role, permissions in allowed.items():
        assert {one for one in Permission if may([Grant(role)], one, EVERY_PLACE)} == permissions


def test_grants_add_up_each_in_its_own_scope() -> None:
    grants = [Grant("viewer", "territory:075"), Grant("teacher", "room:salle-b12")]
    other = Place("075", "college-1", "salle-b13")
    assert may(grants, Permission.LESSON, ROOM)
    assert may(grants, Permission.READ, other)
    assert not may(grants, Permission.LESSON, other)
    assert not may(grants, Permission.READ, EVERY_PLACE)
    assert not may([], Permission.READ, ROOM)


def _route(path: str, permission: Permission, scope: Part | None = None) -> APIRouter:
    router = APIRouter()

    @router.get(path, dependencies=[guarded(permission, scope=scope)])
    async def act() -> None: ...

    return router


@pytest.mark.parametrize(
    ("path", "permission", "scope"),
    [
        ("/rooms/{room}", Permission.READ, None),
        ("/schools/{school}/week", Permission.SCHEDULE, None),
        ("/territories/{territory}/settings", Permission.SETTINGS, None),
        ("/schools/{school}/rooms/{room}", Permission.READ, by("school")),
        ("/rooms", Permission.READ, by("room")),
        ("/rooms/{room}", Permission.LOOK, by("school")),
        ("/whep/{room}", Permission.VIEWER, by("room")),
    ],
)
def test_a_route_whose_scope_is_not_its_paths_is_refused(path: str, permission: Permission, scope: Part | None) -> None:
    with pytest.raises(RuntimeError, match=r"scope"):
        check_routes(_route(path, permission, scope).routes)


@pytest.mark.parametrize(
    ("path", "permission", "scope"),
    [
        ("/rooms/{room}", Permission.READ, by("room")),
        ("/schools/{school}/rooms/{room}", Permission.READ, by("room")),
        ("/schools/{school}/week", Permission.SCHEDULE, by("school")),
        ("/territories/{territory}/settings", Permission.SETTINGS, by("territory")),
        ("/rooms", Permission.READ, None),
        ("/whep/{room}", Permission.VIEWER, None),
        ("/session", Permission.SIGNED_IN, None),
    ],
)
def test_a_route_is_scoped_by_the_smallest_part_of_its_path(
    path: str, permission: Permission, scope: Part | None
) -> None:
    check_routes(_route(path, permission, scope).routes)


def test_a_route_that_declares_nothing_is_refused() -> None:
    router = APIRouter()

    @router.get("/open")
    async def act() -> None: ...

    with pytest.raises(RuntimeError, match="without a permission: /open"):
        check_routes(router.routes)
