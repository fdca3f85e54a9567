"""The detector with its real model, on a photograph of a person before a drawn blackboard."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise

import pytest

from agent.framing.detector import MODEL, PersonDetector
from agent.framing.people import wide_tiles
from agent.framing.planner import Planner, View
from agent.framing.watcher import Eye
from tests.fakes.teacher import HEIGHT_PX, WIDTH_PX, Classroom

FRAME_S = 1 / 30
LOOK_S = 0.25


@pytest.fixture(scope="module")
def detector() -> PersonDetector:
    return PersonDetector()


def test_the_model_is_the_one_that_its_page_names() -> None:
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    page = (MODEL.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\b[0-9a-f]{64}\b", page) == [digest]
    assert {file.name for file in MODEL.parent.iterdir()} == {MODEL.name, "README.md", "LICENSE", "NOTICE"}


@pytest.mark.parametrize("x", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("height", [0.2, 0.27, 0.45])
def test_somebody_is_found_where_they_stand(detector: PersonDetector, x: float, height: float) -> None:
    frame = Classroom().frame(0.0, [x], height)
    found = [
        person
        for tile in wide_tiles(WIDTH_PX / HEIGHT_PX)
        if tile.holds(x)
        for person in detector.find(frame, tile)
        if tile.holds(person.x)
    ]
    assert found
    for person in found:
        assert person.x == pytest.approx(x, abs=0.02)
        assert person.top == pytest.approx(0.86 - height, abs=height * 0.2)


def test_an_empty_room_is_empty(detector: PersonDetector) -> None:
    frame = Classroom().frame(0.0, [])
    assert [person for tile in wide_tiles(WIDTH_PX / HEIGHT_PX) for person in detector.find(frame, tile)] == []


def test_two_are_two(detector: PersonDetector) -> None:
    left, _ = wide_tiles(WIDTH_PX / HEIGHT_PX)
    assert len(detector.find(Classroom().frame(0.0, [0.15, 0.35], 0.25), left)) == 2


def test_the_picture_follows_a_teacher_across_the_room_and_rests_when_they_do(detector: PersonDetector) -> None:
    """Stands, walks half the room, stands: never cut off, near when standing, and then not a pixel of jitter."""
    classroom, planner, eye = Classroom(noise=0), Planner(), Eye(WIDTH_PX, HEIGHT_PX)
    planner.fit(WIDTH_PX)

    def place(now_s: float) -> float:
        return 0.3 + 0.12 * min(max(now_s - 8.0, 0.0), 3.5)

    views: list[View] = []
    look_s = 0.0
    for index in range(round(20 / FRAME_S)):
        now_s = index * FRAME_S
        if now_s >= look_s:
            look_s += LOOK_S
            frame = classroom.frame(now_s, [place(now_s)], 0.22)
            if eye.must_look(frame):
                eye.look(detector, frame)
            planner.saw(eye.people.there(), now_s)
        view = planner.view(now_s)
        views.append(view)
        assert view.left + 0.05 <= place(now_s) <= view.right - 0.05, f"cut off at {now_s:.1f} s"
    stood, arrived = views[round(7.9 / FRAME_S)], views[-1]
    assert stood.share < 0.75
    assert arrived.share < 0.75
    assert abs((arrived.left + arrived.right) / 2 - 0.72) < 0.14 * arrived.share
    steady = views[-round(2 / FRAME_S) :]
    jitter_px = max(
        abs(getattr(after, edge) - getattr(before, edge)) * WIDTH_PX / after.share
        for before, after in pairwise(steady)
        for edge in ("left", "top", "right")
    )
    assert jitter_px < 1.0
