"""The panel's part for recordings: begin and end one, delete one, and give one out on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from agent.room_recording import RoomRecording
from agent.web.body import read_body
from agent.web.pin import Pin
from agent.web.qr import qr_code
from protocol.errors import AccessError
from protocol.panel import PanelView
from protocol.panel_requests import RecordedBody, RecordingBody, ShareBody

_NO_STORE = {"cache-control": "no-store"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RecordingPanel:
    """Does what the panel may of the room's recordings; what was recorded is behind the PIN, where there is one."""

    def __init__(self, recording: RoomRecording, pin: Pin, view: Callable[[], PanelView]) -> None:
        self._recording = recording
        self._pin = pin
        self._view = view

    def routes(self) -> list[Route]:
        """Return what the panel's server answers for recordings."""
        return [
            Route("/api/recording", self._turn, methods=["POST"]),
            Route("/api/recording/delete", self._delete, methods=["POST"]),
            Route("/api/recording/share", self._share, methods=["POST"]),
            Route("/api/recording/{id}.mp4", self._mp4),
            Route("/api/recording/{id}.svg", self._qr),
        ]

    async def _turn(self, request: Request) -> Response:
        await self._recording.turn(is_on=(await read_body(request, RecordingBody)).on)
        return self._answer()

    async def _delete(self, request: Request) -> Response:
        wanted = await read_body(request, RecordedBody)
        self._must_be_open()
        await self._recording.delete(wanted.id)
        return self._answer()

    async def _share(self, request: Request) -> Response:
        wanted = await read_body(request, ShareBody)
        self._must_be_open()
        await self._recording.share(wanted.id, wanted.language)
        return self._answer()

    async def _qr(self, request: Request) -> Response:
        self._must_be_open()
        link = self._recording.link(str(request.path_params["id"]))
        return Response(status_code=204) if link is None else qr_code(link)

    async def _mp4(self, request: Request) -> Response:
        self._must_be_open()
        language = "en" if request.query_params.get("language") == "en" else "fr"
        mp4 = await self._recording.open(str(request.path_params["id"]), language)
        asked = request.headers.get("range")
        part = (0, mp4.size - 1) if asked is None else byte_range(asked, mp4.size)
        headers = {**_NO_STORE, "accept-ranges": "bytes"}
        if part is None or request.method == "HEAD":
            mp4.close()
            if part is None:
                return Response(status_code=416, headers={**headers, "content-range": f"bytes */{mp4.size}"})
            return Response(media_type="video/mp4", headers={**headers, "content-length": str(mp4.size)})
        first, last = part
        headers |= {"content-length": str(last + 1 - first)}
        if asked is not None:
            headers["content-range"] = f"bytes {first}-{last}/{mp4.size}"
        status = 200 if asked is None else 206
        return StreamingResponse(mp4.read(first, last), status, headers, media_type="video/mp4")

    def _must_be_open(self) -> None:
        if self._pin.is_locked:
            raise AccessError("type the PIN first", code="panel-locked")

    def _answer(self) -> Response:
        return Response(self._view().model_dump_json(), media_type="application/json", headers=_NO_STORE)


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a Range of one part (RFC 9110 §14.1.2); the whole for several, None for none."""
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if found is None:
        return (0, size - 1) if "," in asked else None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else None
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    return (begin, end) if begin <= end else None
