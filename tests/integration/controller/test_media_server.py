"""Playing from a media server through the centre: whom it asks, whom it lets, and a server that misbehaves.

What a real one does is in ``tests/browser/test_relay.py``; the one here does what that cannot be made to do.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from controller.config import RelayConfig
from protocol.errors import CommandError
from protocol.messages import Command, ViewerRemoved
from tests.broker import Broker
from tests.integration.controller.scripted import (
    ANSWER,
    FRAGMENT,
    OFFER,
    ROOM,
    SDP,
    TRICKLE,
    RunningCentre,
    ScriptedRoom,
    centre_config,
    register,
    running_centre,
)
from tests.integration.controller.test_whep import _open, bearer, code_of
from tests.waiting import until

TOKEN = "players-token"
Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: str = "", **headers: str) -> Answer:
    def give(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    return give


class Server:
    """A WHEP server that answers as it is told, and remembers ``method, path, token`` of each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.bodies: list[str] = []
        self.posted: Answer = answer(201, ANSWER, Content_Type="application/sdp", Location="/of/lina", ETag='"7"')
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                server.asked.append((self.command, self.path, self.headers["Authorization"]))
                server.bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)).decode())
                (server.posted if self.command == "POST" else answer(204))(self)

            do_POST = do_PATCH = do_DELETE = _take

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
async def centre(server: Server, tmp_path: Path, broker: Broker) -> AsyncIterator[RunningCentre]:
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    relay = RelayConfig(
        whep_lesson=f"{server.url}/{{room}}/lesson", whep_board=f"{server.url}/{{room}}/board", token_file=token_file
    )
    config = centre_config(tmp_path / "centre", broker).model_copy(update={"relay": relay})
    await register(config)
    async with running_centre(config) as running:
        yield running


async def _play(centre: RunningCentre, joined: dict[str, Any], stream: str = "lesson") -> Any:
    return await centre.http.post(f"{joined['whep']}?stream={stream}", content=OFFER, headers=SDP | bearer(joined))


async def _publishing(centre: RunningCentre, room: ScriptedRoom) -> dict[str, Any]:
    room.answers["rtc.relay"] = lambda command: {}
    return await _open(centre, room)


async def test_each_stream_is_asked_of_its_address_and_the_connection_is_that_pupils_alone(
    centre: RunningCentre, room: ScriptedRoom, server: Server
) -> None:
    joined = await _publishing(centre, room)
    played = await _play(centre, joined)
    assert (played.status_code, played.text, played.headers["etag"]) == (201, ANSWER, '"7"')
    assert (await _play(centre, joined, "board")).status_code == 201
    location = played.headers["location"]
    assert location.startswith(f"/whep/{ROOM}/")
    assert "lina" not in location
    assert (await centre.http.patch(location, content=FRAGMENT, headers=TRICKLE | bearer(joined))).status_code == 204

    other = await centre.join(code=(await room.access()).code)
    stolen = await centre.http.delete(location, headers=bearer(other))
    assert (stolen.status_code, code_of(stolen)) == (404, "viewer-not-found")
    forged = await centre.http.delete(location[:-2] + "AA", headers=bearer(joined))
    assert (forged.status_code, code_of(forged)) == (404, "viewer-not-found")

    assert (await centre.http.delete(location, headers=bearer(joined))).status_code == 200
    ours = f"Bearer {TOKEN}"
    assert server.asked == [
        ("POST", f"/{ROOM}/lesson", ours),
        ("POST", f"/{ROOM}/board", ours),
        ("PATCH", "/of/lina", ours),
        ("DELETE", "/of/lina", ours),
    ]
    assert server.bodies == [OFFER, OFFER, FRAGMENT, ""]
    assert not room.commands_named("rtc.close"), "the room keeps its own connection to the pupil"


async def test_a_removed_pupils_connections_end_there_though_its_page_says_nothing(
    centre: RunningCentre, room: ScriptedRoom, server: Server
) -> None:
    joined = await _publishing(centre, room)
    for stream in ("lesson", "board"):
        assert (await _play(centre, joined, stream)).status_code == 201
    holder = room.commands_named("rtc.relay")[0].args["holder"]
    await room.say_fact("e-1", ViewerRemoved(lesson=(await room.access()).lesson, holder=holder))
    await until(lambda: [asked[0] for asked in server.asked].count("DELETE") == 2, "both to be ended there")


async def test_whom_the_room_does_not_let_is_not_heard_of_there(
    centre: RunningCentre, room: ScriptedRoom, server: Server
) -> None:
    def refuse(command: Command) -> dict[str, Any]:
        raise CommandError("media come from the room", code="relay-off")

    room.answers["rtc.relay"] = refuse
    joined = await _open(centre, room)
    refused = await _play(centre, joined)
    assert (refused.status_code, code_of(refused)) == (409, "relay-off")
    assert server.asked == []


@pytest.mark.parametrize(
    ("posted", "code", "told"),
    [
        (answer(503, "<html>full</html>"), "media-server-refused", "503: Service Unavailable"),
        (answer(401, "the token is old"), "media-server-refused", "401: the token is old"),
        (answer(201, "welcome", Content_Type="text/html", Location="/of/lina"), "media-server-refused", "201"),
        (answer(201, ANSWER, Content_Type="application/sdp"), "media-server-refused", "201"),
        (
            answer(201, "v=0" + 70_000 * " ", Content_Type="application/sdp", Location="/of/lina"),
            "media-server-refused",
            "too large",
        ),
        (answer(307, Location="/round/and/round"), "media-server-refused", "307"),
        (lambda request: request.connection.close(), "media-server-unreachable", "cannot be reached"),
    ],
)
async def test_a_server_that_misbehaves_is_told_of_in_a_sentence(
    centre: RunningCentre, room: ScriptedRoom, server: Server, posted: Answer, code: str, told: str
) -> None:
    joined = await _publishing(centre, room)
    server.posted = posted
    refused = await _play(centre, joined)
    assert (refused.status_code, code_of(refused)) == (502, code)
    assert told in refused.json()["detail"]


async def test_no_other_server_is_shown_the_token(centre: RunningCentre, room: ScriptedRoom, server: Server) -> None:
    elsewhere = Server()
    try:
        server.posted = answer(307, Location=f"{elsewhere.url}/b12")
        joined = await _publishing(centre, room)
        assert (await _play(centre, joined)).status_code == 201
        assert elsewhere.asked == [("POST", "/b12", None)]
    finally:
        elsewhere.close()
