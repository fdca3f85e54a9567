"""An HTTP server that puts the pages into any state, in the shapes of `protocol`; there is no room behind it.

For states only. Whether pages, controller and agent work together is tested on the real ones elsewhere.
"""

from __future__ import annotations

import json
import mimetypes
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydantic import BaseModel

import web
from protocol.pages import ProblemJson
from web.csp import policy

WEB = Path(next(iter(web.__path__)))
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("font/woff2", ".woff2")

Answer = BaseModel | ProblemJson | bytes | None
"""A model is sent as JSON, a ProblemJson with its own status, bytes as a picture, None as 204."""
_QR = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#fff"/>' + (
    b'<path d="M1 1h3v3H1zM5 1h3v3H5zM1 5h3v3H1zM6 6h2v2H6z" fill="#14213d"/></svg>'
)


def refusal(code: str, status: int, *, retry_after_s: float | None = None) -> ProblemJson:
    """Return a refusal with this stable code."""
    return ProblemJson(
        title=code, status=status, detail=f"{code}, said the stub", code=code, retry_after_s=retry_after_s
    )


class PageServer:
    """Serves one page and the answers a test put in ``answers``; ``push`` sends a live event to every open line."""

    def __init__(self, page: str) -> None:
        self.html = (WEB / page / "index.html").read_text(encoding="utf-8")
        self.answers: dict[str, Answer | Callable[[bytes], Answer]] = {}
        self.greeting: list[tuple[str, BaseModel]] = []
        """Events that a line gets when it opens."""
        self.events_path = ""
        self.asked: list[tuple[str, str, bytes]] = []
        """Every request that was not for a file: method, path, body."""
        self._lines: list[queue.Queue[bytes | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _any(self) -> None:
                with suppress(ConnectionError):  # a page that goes cuts its lines
                    server._handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def push(self, event: str, model: BaseModel) -> None:
        """Send one live event now."""
        for line in list(self._lines):
            line.put(_event(event, model))

    def cut_lines(self) -> None:
        """End every live line, as a server that goes away does."""
        for line in list(self._lines):
            line.put(None)

    @contextmanager
    def running(self) -> Iterator[PageServer]:
        """Serve for as long as the block runs."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="page-server", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.cut_lines()
            self._http.shutdown()
            self._http.server_close()
            thread.join(5)

    # --- one request ----------------------------------------------------------------------------------------------

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if path.startswith("/static/"):
            self._file(request, path.removeprefix("/static/"))
            return
        if path in ("/", "/it/") or path.startswith("/j/"):
            self._send(
                request,
                200,
                "text/html; charset=utf-8",
                self.html.encode(),
                {"Content-Security-Policy": policy(self.html)},
            )
            return
        if path in ("/favicon.ico", "/healthz"):
            self._send(request, 204, "", b"")
            return
        self.asked.append((request.command, request.path, body))
        if path == self.events_path:
            self._live(request)
            return
        if path.endswith("qr.svg"):
            self._send(request, 200, "image/svg+xml", _QR)
            return
        key = path if request.command == "GET" else f"{request.command} {path}"
        if key not in self.answers:
            self._answer(request, refusal("not-found", 404))
            return
        answer = self.answers[key]
        self._answer(request, answer(body) if callable(answer) else answer)

    def _file(self, request: BaseHTTPRequestHandler, name: str) -> None:
        path = (WEB / name).resolve()
        if not path.is_relative_to(WEB.resolve()) or not path.is_file() or path.suffix == ".py":
            self._send(request, 404, "text/plain", b"")
            return
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._send(request, 200, kind, path.read_bytes())

    def _answer(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer is None:
            self._send(request, 204, "", b"")
        elif isinstance(answer, bytes):
            self._send(request, 200, "image/jpeg", answer)
        elif isinstance(answer, ProblemJson):
            self._send(request, answer.status, "application/problem+json", answer.model_dump_json().encode())
        else:
            self._send(request, 200, "application/json", answer.model_dump_json().encode())

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, more: dict[str, str] | None = None
    ) -> None:
        request.send_response(HTTPStatus(status))
        if kind:
            request.send_header("Content-Type", kind)
        for name, value in (more or {}).items():
            request.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _live(self, request: BaseHTTPRequestHandler) -> None:
        line: queue.Queue[bytes | None] = queue.Queue()
        for name, model in self.greeting:
            line.put(_event(name, model))
        self._lines.append(line)
        request.close_connection = True
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        try:
            while (text := line.get()) is not None:
                request.wfile.write(text)
                request.wfile.flush()
        finally:
            self._lines.remove(line)


def _event(name: str, model: BaseModel) -> bytes:
    return f"event: {name}\ndata: {json.dumps(model.model_dump(mode='json'))}\n\n".encode()
