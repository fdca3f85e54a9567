"""Programs that run under us: started, watched, restarted as their units would, and ended with us whatever happens."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from protocol.errors import EstradeError

log = logging.getLogger(__name__)

STOP_S = 8.0
"""A controller finishes requests for 5 s; what is longer hangs."""
LAST_LINES_S = 0.5
"""For what a program wrote last, should a child of its own keep the pipe open."""
TOO_OFTEN, TOO_OFTEN_S = 8, 10.0
"""Ends of a program in so many seconds after which it will not help to start it again."""
_PR_SET_PDEATHSIG = 1
_MATTERS = re.compile(
    r"\b(?:ERROR|CRITICAL)\b|^[\w.-]+: .*\[[a-z-]+\]$|^(?:\| *)*[\w.]*(?:Error|Exception)\b.*:|^\d+: Error"
)
_CODE = re.compile(r"\[([a-z]+(?:-[a-z]+)*)\]$")

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """In a new process: end with SIGTERM when the parent does (Linux), also when it is gone already."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def what_matters(text: str) -> str:
    """Return the last line of a log that says what went wrong, or the last line at all.

    Lines indented under it are more of the same sentence: the mistakes of a configuration.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    at = next((n for n in range(len(lines) - 1, -1, -1) if _MATTERS.search(lines[n].strip())), len(lines) - 1)
    line, code = lines[at].strip(), ""
    if match := _CODE.search(line):
        line, code = line[: match.start()].rstrip(), f" {match[0]}"
        more = itertools.takewhile(lambda other: other.startswith("  "), lines[at + 1 :])
        line = ": ".join((line, "; ".join(told))) if (told := [other.strip() for other in more]) else line
    return line + code


class Child:
    """One program. `run` keeps it running until cancelled, then ends it and every process of its group.

    ``notifies``: it says READY=1 as to systemd; otherwise it is ready once ``is_ready`` returns True. Before it was
    ready once, an end is an error that leaves `run`; afterwards it is started again after ``restart_s``.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log_file: Path,
        *,
        notifies: bool = True,
        restart_s: float = 0.1,
        echo: Callable[[str], None] | None = None,
        on_restart: Callable[[str, str], None] = lambda name, why: None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self._argv = list(argv)
        self._log_file = log_file
        self._notifies = notifies
        self._restart_s = restart_s
        self._echo = echo
        self._on_restart = on_restart
        self._environ = dict(environ)
        self._ends: list[float] = []

    async def run(self) -> None:
        """Keep the program running; raises EstradeError when it ends before it was ever ready, or too often."""
        self._log_file.unlink(missing_ok=True)
        listener = self._listen() if self._notifies else None
        try:
            while True:
                status = await self._once()
                why = f"status {status}" if status >= 0 else signal.Signals(-status).name
                now = time.monotonic()
                self._ends = [end for end in self._ends if now - end < TOO_OFTEN_S] + [now]
                if not self.ready.is_set() or len(self._ends) > TOO_OFTEN:
                    raise self.failure(f"{self.name} ended ({why})")
                self._on_restart(self.name, why)
                await asyncio.sleep(self._restart_s)
        finally:
            if listener is not None:
                asyncio.get_running_loop().remove_reader(listener)
                listener.close()

    def failure(self, what: str) -> EstradeError:
        """Return the error for something that went wrong with this program, in one sentence from its log."""
        try:
            line = what_matters(self._log_file.read_text(errors="replace"))
        except OSError:
            line = "it said nothing"
        code = _CODE.search(line)
        sentence = line[: code.start()].strip() if code else line
        return EstradeError(f"{what}: {sentence}; the log is {self._log_file}", code=code[1] if code else "internal")

    def kill(self) -> None:
        """End the whole group at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _once(self) -> int:
        parent = os.getpid()
        with self._log_file.open("ab") as log_file:
            self.process = process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self._echo else log_file,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environ,
                start_new_session=True,  # Ctrl-C is ours; we end the programs in order
                preexec_fn=lambda: die_with_parent(parent),
            )
        try:
            if self._echo is None:
                return await process.wait()
            async with asyncio.TaskGroup() as group:
                copying = group.create_task(self._copy(process, self._echo), name=f"log of {self.name}")
                status = await process.wait()
                await asyncio.wait((copying,), timeout=LAST_LINES_S)
                copying.cancel()
            return status
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                log.warning("A program does not end and is killed", extra={"program": self.name})
            raise
        finally:
            self.kill()  # what it may have left behind in its group
            await process.wait()

    async def _copy(self, process: asyncio.subprocess.Process, echo: Callable[[str], None]) -> None:
        assert process.stdout is not None
        with self._log_file.open("ab") as log_file:
            while some := await process.stdout.read(65_536):
                log_file.write(some)
                log_file.flush()
                for line in some.decode(errors="replace").splitlines():
                    echo(f"{self.name}: {line}")

    def _listen(self) -> socket.socket:
        """Open what the program takes for systemd's socket (sd_notify(3)), in the abstract name space."""
        name = f"estrade-{os.getpid()}-{id(self):x}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        listener.bind(f"\0{name}")
        self._environ["NOTIFY_SOCKET"] = f"@{name}"

        def heard() -> None:
            with suppress(BlockingIOError):
                if b"READY=1" in listener.recv(4096).splitlines():
                    self.ready.set()

        asyncio.get_running_loop().add_reader(listener, heard)
        return listener


def python(module: str, *arguments: str) -> list[str]:
    """Return how to start one of our own programs with this very Python."""
    return [sys.executable, "-m", module, *arguments]
