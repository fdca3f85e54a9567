"""The panel's part for the pupils: who may come in, hands, questions, showing somebody out."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.lesson import Lesson
from agent.web.body import read_body
from protocol.panel import PanelView
from protocol.panel_requests import AnsweredBody, LobbyBody, LockBody, PupilBody


class AudiencePanel:
    """Does what the panel may of the pupils; everything it shows of them is in `PanelView.audience`."""

    def __init__(self, lesson: Lesson, view: Callable[[], PanelView]) -> None:
        self._lesson = lesson
        self._view = view

    def routes(self) -> list[Route]:
        """Return what the panel's server answers for the pupils."""
        acts = {
            "admit": self._admit,
            "admit-all": self._admit_all,
            "refuse": self._refuse,
            "take": self._take,
            "lower": self._lower,
            "lower-all": self._lower_all,
            "answered": self._answered,
            "settled": self._settled,
            "remove": self._remove,
            "lobby": self._lobby,
            "lock": self._lock,
        }
        return [Route(f"/api/audience/{name}", act, methods=["POST"]) for name, act in acts.items()]

    async def _admit(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("let a pupil in").admit(pupil)
        return self._answer()

    async def _admit_all(self, request: Request) -> Response:
        self._lesson.people("let pupils in").admit_all()
        return self._answer()

    async def _refuse(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("refuse a pupil").refuse(pupil)
        return self._answer()

    async def _take(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("take a hand").take_hand(pupil)
        return self._answer()

    async def _lower(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("lower a hand").lower_hand(pupil)
        return self._answer()

    async def _lower_all(self, request: Request) -> Response:
        self._lesson.people("lower the hands").lower_all()
        return self._answer()

    async def _answered(self, request: Request) -> Response:
        question = await read_body(request, AnsweredBody)
        self._lesson.people("put a question away").answered(question.pupil, question.id)
        return self._answer()

    async def _settled(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("settle what a pupil said").settle(pupil)
        return self._answer()

    async def _remove(self, request: Request) -> Response:
        pupil = (await read_body(request, PupilBody)).pupil
        self._lesson.people("remove a pupil").remove(pupil)
        return self._answer()

    async def _lobby(self, request: Request) -> Response:
        self._lesson.people("change who waits").set_lobby((await read_body(request, LobbyBody)).on)
        return self._answer()

    async def _lock(self, request: Request) -> Response:
        self._lesson.people("lock or unlock").set_locked((await read_body(request, LockBody)).on)
        return self._answer()

    def _answer(self) -> Response:
        return Response(
            self._view().model_dump_json(), media_type="application/json", headers={"cache-control": "no-store"}
        )
