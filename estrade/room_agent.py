"""The room's agent on this machine, over its panel's loopback address and with the panel's token."""

from __future__ import annotations

import http.client
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import AccessError, ConfigError, EstradeError

INSTALLED = Path("/etc/estrade/agent.toml")
HOST, PORT = "127.0.0.1", 8480
CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class RoomAgent:
    """Where the panel listens, and where its token is."""

    port: int
    token_file: Path

    def is_there(self) -> bool:
        """Return whether something listens there."""
        line = http.client.HTTPConnection(HOST, self.port, timeout=CONNECT_S)
        try:
            line.connect()
        except OSError:
            return False
        line.close()
        return True

    def get(self, path: str) -> dict[str, Any] | None:
        """Return what is there; None for nothing. Raises EstradeError with the agent's own code."""
        return self._ask("GET", path, None, 5.0)

    def post(self, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 5.0) -> dict[str, Any] | None:
        """Do something, and return what it led to. Raises EstradeError with the agent's own code."""
        return self._ask("POST", path, body or {}, timeout_s)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float) -> dict[str, Any] | None:
        line = http.client.HTTPConnection(HOST, self.port, timeout=timeout_s)
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        try:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            answer = line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EstradeError(
                f"what listens on {HOST}:{self.port} does not answer as the room's agent ({error}); see its log",
                code="not-ready",
            ) from None
        finally:
            line.close()
        try:
            said = json.loads(text) if text else None
        except ValueError:
            said = None
        if answer.status >= 400:
            known = said if isinstance(said, dict) else {}
            code, detail = str(known.get("code", "not-found")), str(known.get("detail", f"HTTP {answer.status}"))
            if code == "panel-token":
                raise self._runs_elsewhere(f"does not take the token in {self.token_file}")
            raise EstradeError(f"the room's agent refuses: {detail}", code=code)
        return said if isinstance(said, dict) else None

    def _runs_elsewhere(self, why: str) -> AccessError:
        return AccessError(
            f"the agent on {HOST}:{self.port} {why}: it runs from another state folder; "
            "name its configuration with --config FILE",
            code="panel-token",
        )

    def _token(self) -> str:
        try:
            return self.token_file.read_text(encoding="ascii").partition("\n")[0]
        except FileNotFoundError:
            raise self._runs_elsewhere(f"has no token in {self.token_file}") from None
        except (OSError, ValueError) as error:
            raise AccessError(
                f"the panel's token {self.token_file} cannot be read ({getattr(error, 'strerror', None) or error}); "
                "run this as root or as a member of its group",
                code="panel-token",
            ) from None


def find(config: Path | None, demo: Path) -> RoomAgent:
    """Return the agent of a configuration: of the one given, else the installed one, else the demo's.

    Raises ConfigError for one that was given and cannot be read.
    """
    given = [config] if config is not None else [path for path in (INSTALLED, demo) if os.access(path, os.R_OK)]
    if not given:
        return RoomAgent(PORT, Path("/run/estrade-panel/token"))
    agents = [_of(path, is_given=config is not None) for path in given]
    return next((agent for agent in agents if agent.is_there()), agents[0])


def _of(path: Path, *, is_given: bool) -> RoomAgent:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if is_given:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(f"the configuration {path} cannot be read ({why}); check path and rights") from None
        document = {}
    panel = document.get("panel")
    panel = panel if isinstance(panel, dict) else {}
    port = panel.get("port", PORT)
    state_dir = path.parent / str(document.get("state_dir", "."))
    return RoomAgent(port if isinstance(port, int) else PORT, state_dir / str(panel.get("token_file", "panel-token")))
