"""The panel's HTTP server, on loopback only: page, live events, acts, preview, QR code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import web
from agent.auto_framing import AutoFraming
from agent.lesson import Lesson
from agent.selftest.runner import SelfTest
from agent.web.body import BodyError
from agent.web.body import read_body as _body
from agent.web.door import PanelDoor
from agent.web.feed import Feed
from agent.web.pin import OPEN_S
from agent.web.qr import qr_code
from protocol.errors import (
    AccessError,
    BrokerError,
    CommandError,
    ConfigError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    EstradeError,
    LessonError,
    LessonTransitionError,
    RecordingError,
)
from protocol.pages import ProblemJson
from protocol.panel import PanelLevel, PanelView
from protocol.panel_requests import (
    FramingBody,
    FreezeBody,
    MicrophoneBody,
    OnAirBody,
    PauseBody,
    ProposalBody,
    RetryBody,
    SelfTestBody,
    UnlockBody,
)
from web.csp import policy

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
WEB = Path(next(iter(web.__path__)))
STOP_S = 3.0
KEEP_ALIVE_S = 75
"""A panel that is touched again after a quiet minute must not meet a connection that is just being closed."""
_STATIC = ("vendor", "lib", "panel", "i18n", "css")
_SILENT_DBFS = -100.0


class _Guard:
    """Refuses what does not come from a page of ours on this machine, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, csp: str, door: PanelDoor) -> None:
        self._app = app
        self._door = door
        self._headers = [
            (b"content-security-policy", csp.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        request = Request(scope)
        refusal = _refusal(request, self._door)
        if refusal is not None:
            await _problem(refusal, request)(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # what Starlette answers itself leaves around us, without headers
            if is_answered:
                raise
            await (await _on_error(request, error))(scope, receive, send_with_headers)


def _refusal(request: Request, door: PanelDoor) -> EstradeError | None:
    """Return why a request is refused: another Host (DNS rebinding), another Origin, a cross-site fetch, no token."""
    port = request.scope["server"][1]
    host = request.headers.get("host", "")
    if host not in {f"{name}:{port}" for name in (HOST, "localhost")}:
        return AccessError("the panel answers on this machine's own address alone", code="cross-site")
    is_api = request.scope["path"].startswith("/api/")
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if (is_api or request.method not in ("GET", "HEAD")) and (
        site not in ("same-origin", "none") or (origin is not None and origin != f"http://{host}")
    ):
        return AccessError("the request came from another site and was refused", code="cross-site")
    if is_api:
        try:
            door.check(request)
        except AccessError as error:
            return error
    return None


_STATUS_BY_TYPE: dict[type[EstradeError], int] = {
    AccessError: 403,
    LessonTransitionError: 409,
    LessonError: 409,
    RecordingError: 409,
    DeviceTimeoutError: 504,
    DeviceLostError: 503,
    DeviceError: 409,
    BrokerError: 503,
    CommandError: 502,
    ConfigError: 422,
    BodyError: 422,
}


def _problem(error: EstradeError, request: Request) -> Response:
    status = next((code for kind, code in _STATUS_BY_TYPE.items() if isinstance(error, kind)), 500)
    if error.retryable and isinstance(error, AccessError):
        status = 429
    if error.code in ("preset-not-found", "recording-not-found"):
        status = 404
    body = ProblemJson(
        title=error.code, status=status, detail=error.message, code=error.code, retry_after_s=error.retry_after_s
    )
    headers = {"cache-control": "no-store"}
    return JSONResponse(body.model_dump(), status_code=status, headers=headers, media_type="application/problem+json")


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, EstradeError):
        return _problem(error, request)
    log.error("The panel's server met an unknown fault", exc_info=error)
    return _problem(EstradeError("a fault of ours; the agent's log has the details"), request)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: no such address, no such method."""
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "body-invalid")
    body = ProblemJson(title=code, status=error.status_code, detail=error.detail, code=code)
    return JSONResponse(body.model_dump(), error.status_code, error.headers, "application/problem+json")


class PanelServer:
    """Serves the panel of one room. ``bind`` first, so that a taken port is told before anything starts."""

    def __init__(
        self,
        lesson: Lesson,
        view: Callable[[], PanelView],
        port: int,
        door: PanelDoor,
        calibrate: Callable[[], Awaitable[None]],
        *,
        selftest: Callable[[], SelfTest],
    ) -> None:
        self._lesson = lesson
        self._calibrate = calibrate
        self._selftest = selftest
        self._whole_view = view
        self._port = port
        self._door = door
        self._socket: socket.socket | None = None
        self._more_routes: list[Route] = []
        self.framing: AutoFraming | None = None
        self.feed = Feed(self._view, self._level)

    def bind(self) -> None:
        """Take the port, or raise ConfigError ``port-taken``."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._port))
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"panel.port = {self._port}: cannot listen on {HOST}:{self._port} ({error.strerror}); "
                "stop the other program or choose another port",
                code="port-taken",
            ) from None
        self._socket = listener

    def add_routes(self, routes: Sequence[Route]) -> None:
        """Answer these too; before `run`."""
        self._more_routes += routes

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._socket is not None, "bind comes first"
        config = uvicorn.Config(
            self._app(),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=KEEP_ALIVE_S,
            ws="none",
        )
        server = _Server(config)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[self._socket]), name="panel http")
            try:
                await asyncio.shield(serving)
            finally:
                server.should_exit = True  # uvicorn closes its listener and connections only when it leaves by itself
                await asyncio.wait({serving}, timeout=STOP_S)

    def _app(self) -> Starlette:
        html = (WEB / "panel" / "index.html").read_text(encoding="utf-8")

        async def page(request: Request) -> Response:
            given = request.query_params.get("token")
            if given is not None:
                return self._door.exchange(request, given)
            return HTMLResponse(html, headers={"cache-control": "no-store"})

        routes: list[Route | Mount] = [
            Route("/", page),
            Route("/api/panel", self._panel),
            Route("/api/events", self._events),
            Route("/api/lesson/start", self._start, methods=["POST"]),
            Route("/api/lesson/stop", self._stop, methods=["POST"]),
            Route("/api/lesson/resume", self._resume, methods=["POST"]),
            Route("/api/lesson/drop", self._drop, methods=["POST"]),
            Route("/api/lesson/pause", self._pause, methods=["POST"]),
            Route("/api/lesson/freeze", self._freeze, methods=["POST"]),
            Route("/api/lesson/framing", self._frame, methods=["POST"]),
            Route("/api/lesson/on-air", self._on_air, methods=["POST"]),
            Route("/api/device/retry", self._retry, methods=["POST"]),
            Route("/api/lesson/microphone", self._microphone, methods=["POST"]),
            Route("/api/lesson/microphone/not-now", self._microphone_not_now, methods=["POST"]),
            Route("/api/proposal", self._proposal, methods=["POST"]),
            Route("/api/normal", self._normal, methods=["POST"]),
            Route("/api/selftest", self._test_shown),
            Route("/api/selftest", self._test, methods=["POST"]),
            Route("/api/selftest/stop", self._test_stop, methods=["POST"]),
            Route("/api/selftest/close", self._test_close, methods=["POST"]),
            Route("/api/unlock", self._unlock, methods=["POST"]),
            Route("/api/lock", self._lock, methods=["POST"]),
            Route("/api/preview/{track}.jpg", self._preview),
            Route("/api/qr.svg", self._qr),
            *self._more_routes,
        ]
        routes += [Mount(f"/static/{name}", StaticFiles(directory=WEB / name)) for name in _STATIC]
        return Starlette(
            routes=routes,
            middleware=[Middleware(_Guard, csp=policy(html), door=self._door)],
            exception_handlers={EstradeError: _on_error, HTTPException: _on_http_error},
        )

    # --- answers --------------------------------------------------------------------------------------------------

    def _view(self) -> PanelView:
        return self._door.shown(self._whole_view())

    async def _panel(self, request: Request) -> Response:
        return _json(self._view())

    async def _events(self, request: Request) -> Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers=headers)

    async def _stream(self) -> AsyncIterator[str]:
        async for text in self.feed.panel():
            yield text

    async def _start(self, request: Request) -> Response:
        self._lesson.start("panel")
        return _json(self._view())

    async def _stop(self, request: Request) -> Response:
        self._lesson.stop("teacher pressed stop")
        return _json(self._view())

    async def _resume(self, request: Request) -> Response:
        self._lesson.resume()
        return _json(self._view())

    async def _drop(self, request: Request) -> Response:
        self._lesson.drop_interrupted()
        return _json(self._view())

    async def _pause(self, request: Request) -> Response:
        self._lesson.set_paused((await _body(request, PauseBody)).paused)
        return _json(self._view())

    async def _freeze(self, request: Request) -> Response:
        self._lesson.set_frozen((await _body(request, FreezeBody)).frozen)
        return _json(self._view())

    async def _frame(self, request: Request) -> Response:
        wanted = await _body(request, FramingBody)
        if self.framing is None:
            raise ConfigError("this room has no auto-framing; write [framing] into its configuration")
        self.framing.turn(is_on=wanted.on)
        return _json(self._view())

    async def _on_air(self, request: Request) -> Response:
        wanted = await _body(request, OnAirBody)
        self._lesson.set_on_air(camera=wanted.camera, board=wanted.board, sound=wanted.sound)
        return _json(self._view())

    async def _retry(self, request: Request) -> Response:
        self._lesson.try_again((await _body(request, RetryBody)).device)
        return _json(self._view())

    async def _microphone(self, request: Request) -> Response:
        self._lesson.choose_microphone((await _body(request, MicrophoneBody)).id)
        return _json(self._view())

    async def _microphone_not_now(self, request: Request) -> Response:
        self._lesson.decline_microphone((await _body(request, MicrophoneBody)).id)
        return _json(self._view())

    async def _proposal(self, request: Request) -> Response:
        answer = await _body(request, ProposalBody)
        self._lesson.answer_proposal(answer.id, accept=answer.accept)
        return _json(self._view())

    async def _normal(self, request: Request) -> Response:
        """Record how the room is normally; answers when it is done, some seconds later."""
        await self._calibrate()
        return _json(self._view())

    async def _test_shown(self, request: Request) -> Response:
        view = self._selftest().view
        return Response(status_code=204) if view is None else _json(view)

    async def _test(self, request: Request) -> Response:
        self._selftest().start((await _body(request, SelfTestBody)).asked_by)
        return _json(self._view())

    async def _test_stop(self, request: Request) -> Response:
        self._selftest().stop()
        return _json(self._view())

    async def _test_close(self, request: Request) -> Response:
        self._selftest().close()
        return _json(self._view())

    async def _unlock(self, request: Request) -> Response:
        await self._door.pin.unlock((await _body(request, UnlockBody)).pin)
        self.feed.changed()
        # a moment later, when the PIN's time is surely over
        asyncio.get_running_loop().call_later(OPEN_S + 0.1, self.feed.changed)
        return _json(self._view())

    async def _lock(self, request: Request) -> Response:
        self._door.pin.lock()
        self.feed.changed()
        return _json(self._view())

    async def _preview(self, request: Request) -> Response:
        track: Any = request.path_params["track"]
        publisher = self._lesson.publisher
        picture = publisher.preview(track) if publisher and track in ("camera", "board") else None
        if picture is None:
            return Response(status_code=204)
        return Response(picture, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def _qr(self, request: Request) -> Response:
        if self._door.pin.is_locked:
            raise AccessError("type the PIN first", code="panel-locked")
        access = self._lesson.access
        if access is None:
            return Response(status_code=204)
        return qr_code(access.link)

    def _level(self) -> PanelLevel | None:
        publisher = self._lesson.publisher
        if publisher is None:
            return None
        rms, peak = publisher.level()
        talk = self._lesson.talk
        pupil = talk.level_dbfs() if talk else None
        return PanelLevel(
            rms_dbfs=max(rms, _SILENT_DBFS),
            peak_dbfs=max(peak, _SILENT_DBFS),
            pupil_dbfs=None if pupil is None else max(pupil, _SILENT_DBFS),
        )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the agent's own task tree decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json", headers={"cache-control": "no-store"})
