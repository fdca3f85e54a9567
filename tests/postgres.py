"""A real PostgreSQL for the tests: no TCP, a private socket, a database for each test."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from tests.peers import need

EMPTY = "template0"
"""PostgreSQL's own empty database."""


def programs() -> Path:
    """Return the folder of initdb and pg_ctl; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else Path(need("initdb", "postgresql")).parent


class Postgres:
    """One server; tests have databases of their own in it, each a copy of another one.

    It refuses to run as root. Its folder is not pytest's, which only the user of the tests may enter.
    """

    def __init__(self) -> None:
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="estrade-pg-"))
        self._as_user: dict[str, int | str] = {}
        self._name = getpass.getuser()
        self._numbers = count(1)
        if os.geteuid() == 0:
            self._name = "postgres"
            account = pwd.getpwnam(self._name)
            self._as_user = {"user": account.pw_uid, "group": account.pw_gid}
            shutil.chown(self._folder, self._name, self._name)

    def start(self) -> None:
        """Make the server's files and start it; 30 s at most."""
        data = ("-D", str(self._folder / "data"))
        self._run("initdb", *data, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off -c timezone=UTC"
        self._run("pg_ctl", *data, "-w", "-t", "30", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    def make(self, template: str = EMPTY) -> str:
        """Make a database like ``template``, to which nobody may be connected; return its name."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", *self._server, "-T", template, name)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run("dropdb", *self._server, "--force", name)

    def run_script(self, name: str, script: Path) -> None:
        """Run a file of SQL, as pg_dump writes them, in a database."""
        self._run("psql", *self._server, "-q", "-v", "ON_ERROR_STOP=1", "-d", name, given=script.read_text("utf-8"))

    def dump(self, name: str) -> str:
        """Return a database as SQL that `run_script` takes."""
        return self._run("pg_dump", *self._server, "--inserts", "--no-owner", "--no-privileges", name)

    def url(self, name: str) -> str:
        """Return a database's address as the centre's configuration has it."""
        return f"postgresql+asyncpg://{self._name}@/{name}?host={self._folder}"

    @property
    def _server(self) -> tuple[str, ...]:
        return "-h", str(self._folder), "-U", self._name

    def _run(self, program: str, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True, text=True, cwd=self._folder, check=False, input=given, **self._as_user,  # type: ignore[call-overload]
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)
