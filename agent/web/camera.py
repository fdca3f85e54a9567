"""The panel's part for the camera: its presets, turning it by hand, and looking whether a view is right."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.camera_moves import CameraMoves
from agent.camera_views import CLASS, CameraViews
from agent.thumbnails import Thumbnails
from agent.web.body import read_body
from agent.web.pin import Pin
from protocol.errors import AccessError, DeviceUnsupportedError
from protocol.messages import Problem
from protocol.panel import ClassPreset, PanelMasks, PanelPreset, PanelPtz, PanelView
from protocol.panel_requests import ConfirmBody, HoldBody, RecallBody, ReleaseBody, StoreBody

_NO_STORE = {"cache-control": "no-store"}


class CameraPanel:
    """Shows and does what the panel may of one camera. ``moves`` None: it does not turn, and has masks alone."""

    def __init__(
        self,
        moves: CameraMoves | None,
        views: CameraViews,
        thumbnails: Thumbnails,
        pin: Pin,
        view: Callable[[], PanelView],
    ) -> None:
        self._moves = moves
        self._views = views
        self._thumbnails = thumbnails
        self._pin = pin
        self._view = view
        self._released = ""

    def routes(self) -> list[Route]:
        """Return what the panel's server answers for the camera."""
        return [
            Route("/api/camera/hold", self._hold, methods=["POST"]),
            Route("/api/camera/release", self._release, methods=["POST"]),
            Route("/api/camera/recall", self._recall, methods=["POST"]),
            Route("/api/camera/store", self._store, methods=["POST"]),
            Route("/api/camera/confirm", self._confirm, methods=["POST"]),
            Route("/api/camera/preset/{name}.jpg", self._thumbnail),
            Route("/api/camera/check.jpg", self._check),
        ]

    # --- what is shown ----------------------------------------------------------------------------------------------

    def ptz(self) -> PanelPtz | None:
        """Return the camera that turns, as the panel shows it now."""
        moves, views = self._moves, self._views
        if moves is None:
            return None
        able = moves.info.capabilities if moves.info else frozenset()
        problem = Problem(code=moves.problem.code, message=moves.problem.message[:500]) if moves.problem else None
        class_preset = self._class_preset()
        names = [name for name in moves.choice.presets if name != CLASS or class_preset == "offered"]
        return PanelPtz(
            is_connected=moves.info is not None,
            problem=problem,
            can_turn="pan-tilt" in able,
            can_zoom="zoom" in able,
            can_store="store-presets" in able and bool(names),
            presets=tuple(
                PanelPreset(
                    name=name,
                    is_current=views.at == name,
                    is_heading=views.heading == name,
                    picture=self._thumbnails.version(name),
                )
                for name in names
                if moves.info is None or "presets" in able
            ),
            class_preset=class_preset,
        )

    def masks(self) -> PanelMasks | None:
        """Return what is withheld of the picture now."""
        views = self._views
        if not views.guards:
            return None
        return PanelMasks(cover=views.sight.cover, to_check=views.to_check)

    def _class_preset(self) -> ClassPreset:
        views = self._views
        if not views.has_class:
            return "none"
        if self._pin.is_locked:
            return "locked"
        if views.is_right(CLASS):
            return "offered"
        if not views.can_check:
            return "unsupported"
        return "moved" if views.has_moved(CLASS) else "unchecked"

    # --- what is done -----------------------------------------------------------------------------------------------

    def _turning(self) -> CameraMoves:
        if self._moves is None:
            raise DeviceUnsupportedError("this room's camera does not turn")
        return self._moves

    def _must_be_open(self) -> None:
        if self._pin.is_locked:
            raise AccessError("type the PIN first", code="panel-locked")

    async def _hold(self, request: Request) -> Response:
        held = await read_body(request, HoldBody)
        if held.press != self._released:
            self._turning().hold(held.pan, held.tilt, held.zoom)
        return Response(status_code=204)

    async def _release(self, request: Request) -> Response:
        self._released = (await read_body(request, ReleaseBody)).press
        self._turning().release()
        return Response(status_code=204)

    async def _recall(self, request: Request) -> Response:
        wanted = await read_body(request, RecallBody)
        moves = self._turning()
        if wanted.preset == CLASS and self._views.has_class:
            self._must_be_open()
        self._views.must_be_offered(wanted.preset, to_check=wanted.to_check)
        await moves.recall(wanted.preset)
        return self._answer()

    async def _store(self, request: Request) -> Response:
        wanted = await read_body(request, StoreBody)
        self._must_be_open()
        await self._turning().store(wanted.preset)
        return self._answer()

    async def _confirm(self, request: Request) -> Response:
        view = (await read_body(request, ConfirmBody)).view
        self._must_be_open()
        self._views.confirm(view)
        return self._answer()

    async def _thumbnail(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        if name == CLASS:
            self._must_be_open()
        return _picture(self._thumbnails.jpeg(name))

    async def _check(self, request: Request) -> Response:
        self._must_be_open()
        return _picture(await self._thumbnails.check_picture())

    def _answer(self) -> Response:
        return Response(self._view().model_dump_json(), media_type="application/json", headers=_NO_STORE)


def _picture(jpeg: bytes | None) -> Response:
    if jpeg is None:
        return Response(status_code=204)
    return Response(jpeg, media_type="image/jpeg", headers=_NO_STORE)
