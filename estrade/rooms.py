"""``estrade rooms``: every room of a centre as last reported, from its API."""

from __future__ import annotations

import getpass
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from estrade.words import say
from protocol.errors import AccessError, EstradeError
from protocol.pages import RoomsView, RoomView

TIMEOUT_S = 15.0
PASSWORD_VARIABLE = "ESTRADE_PASSWORD"  # noqa: S105  # its name, not its value
TOKEN_VARIABLE = "ESTRADE_TOKEN"  # noqa: S105  # its name, not its value


def run(url: str, *, name: str, password_stdin: bool, ca_file: Path | None, as_json: bool) -> int:
    """Print the rooms as a table or as the API's JSON; with a token in the environment nobody signs in.

    Raises EstradeError with the API's code.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    centre = Centre(url, ca_file, token)
    if token:
        view = centre.rooms()
    else:
        centre.sign_in(name, _password(name, from_stdin=password_stdin))
        try:
            view = centre.rooms()
        finally:
            centre.sign_out()
    if as_json:
        print(view.model_dump_json())
    else:
        print(table(view.rooms) if view.rooms else say("no-rooms"))
    return 0


def table(rooms: tuple[RoomView, ...]) -> str:
    """Return one line a room, columns aligned."""
    heads = [say(f"head-{key}") for key in ("room", "name", "link", "state", "viewers", "status")]
    lines = [heads] + [
        [
            room.id,
            room.name,
            room.link,
            "–" if room.state is None or room.is_stale else str(room.state),
            str(room.viewers),
            str(room.status),
        ]
        for room in rooms
    ]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


class Centre:
    """A centre's API, with a token, or signed in with a cookie."""

    def __init__(self, url: str, ca_file: Path | None, token: str = "") -> None:
        """Raises EstradeError ``args-invalid`` for an address that is not http(s)."""
        if not url.startswith(("http://", "https://")):
            raise EstradeError(f'"{url}" is not an address like https://estrade.example.org', code="args-invalid")
        self._url = url.rstrip("/")
        try:
            self._context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
        except OSError as error:
            raise EstradeError(f"the CA file {ca_file} cannot be read ({error})", code="args-invalid") from None
        self._cookie = ""
        self._token = token.strip()

    def sign_in(self, name: str, password: str) -> None:
        body = json.dumps({"name": name, "password": password}).encode()
        with self._ask("/api/v1/session", "POST", body) as answer:
            self._cookie = (answer.headers.get("Set-Cookie") or "").split(";", 1)[0]

    def rooms(self) -> RoomsView:
        with self._ask("/api/v1/rooms") as answer:
            return RoomsView.model_validate_json(answer.read())

    def sign_out(self) -> None:
        self._ask("/api/v1/session", "DELETE").close()

    def _ask(self, path: str, method: str = "GET", body: bytes | None = None) -> HTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._cookie:
            headers["Cookie"] = self._cookie
        request = urllib.request.Request(self._url + path, method=method, data=body, headers=headers)  # noqa: S310  # checked above
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._context)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.read(), error.code) from None
        except (urllib.error.URLError, OSError) as error:
            cause = getattr(error, "reason", error)
            reason = getattr(cause, "strerror", None) or cause
            raise EstradeError(
                f"the centre {self._url} cannot be reached: {reason}", code="centre-unreachable"
            ) from None
        return answer


def _problem(body: bytes, status: int) -> EstradeError:
    try:
        problem: dict[str, Any] = json.loads(body)
        return AccessError(str(problem["detail"]), code=str(problem["code"]))
    except (ValueError, KeyError, TypeError):
        return EstradeError(f"the centre answered {status}, and not in its own words", code="internal")


def _password(name: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    if not sys.stdin.isatty():
        raise EstradeError(f"give the password with --password-stdin or in {PASSWORD_VARIABLE}", code="args-invalid")
    return getpass.getpass(say("password-ask", name=name))
