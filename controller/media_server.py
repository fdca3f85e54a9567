"""WHEP towards a media server, for pupils who may know of no other address than ours: no page contacts another origin.

What the server called a connection is sealed into the id that the pupil is given. Beside that it is remembered for as
long as this controller runs, for a pupil who is shown out: its page need not say goodbye.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import httpx

from controller.config import RelayConfig
from controller.keys import Keys
from protocol.errors import AccessError, EstradeError, MediaServerError

logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes every address at INFO

log = logging.getLogger(__name__)

Stream = Literal["lesson", "board"]

ANSWER_S = 8.0
MOST_ANSWER_BYTES = 65_536
MOST_WORDS = 160
MOST_REDIRECTS = 3
MOST_REMEMBERED = 20_000
"""Connections; the oldest are forgotten, and end with their lesson."""
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True, slots=True)
class Played:
    """A media server's answer: ``viewer`` is for our own address, the rest is the server's."""

    viewer: str
    sdp: str
    etag: str | None
    links: tuple[str, ...]


class MediaServer:
    """Hands offers, candidates and goodbyes on. ``config`` None: there is none, and every offer is ``relay-off``."""

    def __init__(self, config: RelayConfig | None, keys: Keys) -> None:
        self._config = config
        self._keys = keys
        self._http: httpx.AsyncClient | None = None
        self._played: OrderedDict[str, tuple[str, str, str]] = OrderedDict()
        """Room, mark and ticket of a connection's pupil, by the id that the pupil has of it."""
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for ending in self._ending:
            ending.cancel()
        if self._http is not None:
            await self._http.aclose()

    async def offer(self, room: str, jti: str, stream: Stream, sdp: str) -> Played:
        """Return what the server answers for one of the room's streams.

        Raises EstradeError ``relay-off``, MediaServerError ``media-server-unreachable`` or ``media-server-refused``.
        """
        if self._config is None:
            raise EstradeError("this centre has no media server; media come from the room", code="relay-off")
        template = self._config.whep_lesson if stream == "lesson" else self._config.whep_board
        url = httpx.URL(template.replace("{room}", room))
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._ask("POST", url, sdp, {"Content-Type": SDP, "Accept": SDP})
            if response.status_code not in (307, 308):
                break
            url = _joined(url, response.headers.get("location", ""))
        location = response.headers.get("location")
        is_sdp = response.headers.get("content-type", "").split(";")[0].strip() == SDP
        if response.status_code != 201 or location is None or not is_sdp:
            raise _refused(url, response)
        if len(response.content) > MOST_ANSWER_BYTES:
            raise MediaServerError("the media server's answer is too large", code="media-server-refused")
        viewer = self._keys.played(room, jti, str(_joined(url, location)))
        self._played[viewer] = (room, self._keys.holder(room, jti), jti)
        if len(self._played) > MOST_REMEMBERED:
            self._played.popitem(last=False)
        return Played(
            viewer,
            response.text,
            response.headers.get("etag"),
            tuple(response.headers.get_list("link")),
        )

    async def candidates(self, room: str, jti: str, viewer: str, body: str, if_match: str | None) -> None:
        """Hand a pupil's candidates on."""
        headers = {"Content-Type": FRAGMENT} | ({} if if_match is None else {"If-Match": if_match})
        url = self._location(room, jti, viewer)
        response = await self._ask("PATCH", url, body, headers)
        if not response.is_success:
            raise _refused(url, response)

    async def end(self, room: str, jti: str, viewer: str) -> None:
        """Let a viewer go; one that is gone already, or with its server, is no error."""
        url = self._location(room, jti, viewer)
        self._played.pop(viewer, None)
        try:
            response = await self._ask("DELETE", url, None, {})
        except MediaServerError:
            return
        if not response.is_success and response.status_code not in (404, 410):
            raise _refused(url, response)

    def show_out(self, room: str, holder: str) -> None:
        """End every connection of a pupil whom the teacher removed, by its mark in this room; in tasks of ours."""
        for viewer, (of_room, of_holder, jti) in tuple(self._played.items()):
            if (of_room, of_holder) == (room, holder):
                ending = asyncio.get_running_loop().create_task(self._show_out(room, jti, viewer))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)

    async def _show_out(self, room: str, jti: str, viewer: str) -> None:
        try:
            await self.end(room, jti, viewer)
        except MediaServerError as error:
            log.warning("a pupil was not shown out there", extra={"room": room, "reason": error.message})

    def _location(self, room: str, jti: str, viewer: str) -> httpx.URL:
        location = self._keys.read_played(viewer, room, jti)
        if location is None:
            raise AccessError("this ticket has no such connection", code="viewer-not-found")
        return httpx.URL(location)

    async def _ask(self, method: str, url: httpx.URL, body: str | None, headers: dict[str, str]) -> httpx.Response:
        assert self._config is not None
        if self._http is None:
            tls = ssl.create_default_context(cafile=self._config.ca_file)
            self._http = httpx.AsyncClient(verify=tls, timeout=ANSWER_S, trust_env=False)
        ours = httpx.URL(self._config.whep_lesson.replace("{room}", "x"))
        if self._config.token_file is not None and (url.scheme, url.netloc) == (ours.scheme, ours.netloc):
            try:
                token = self._config.token_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise MediaServerError(
                    f"relay.token_file: cannot read {self._config.token_file} ({error.strerror})",
                    code="media-server-refused",
                ) from error
            headers = headers | {"Authorization": f"Bearer {token}"}
        try:
            return await self._http.request(method, url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MediaServerError(f"the media server at {url.host} cannot be reached: {error}") from error


def is_played(viewer: str) -> bool:
    """Say whether a viewer's id is one of a media server's."""
    return viewer.count(".") == 2


def _joined(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except httpx.InvalidURL as error:
        raise MediaServerError(
            f"the media server at {url.host} names an address that is none: {error}", code="media-server-refused"
        ) from error


def _refused(url: httpx.URL, response: httpx.Response) -> MediaServerError:
    text = " ".join(response.text.split())
    said = text[:MOST_WORDS] if text and not text.startswith(("<", "v=0")) else response.reason_phrase
    return MediaServerError(
        f"the media server at {url.host} answers with {response.status_code}: {said}", code="media-server-refused"
    )
