"""ICE servers as handed out: STUN as configured, TURN with credentials that run out.

The credentials are coturn's REST kind (``use-auth-secret``): user ``expiry:subject``, password an HMAC of it. Nothing
has to be stored on either side.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable

from controller.config import IceConfig
from protocol.errors import ConfigError
from protocol.messages import IceServer


class IceServers:
    """The servers for one subject (a ticket's id, a room's id). ``now`` gives seconds since 1970."""

    def __init__(self, config: IceConfig, now: Callable[[], float]) -> None:
        self._config = config
        self._now = now
        self._secret = b""
        if config.turn is not None:
            self._secret = config.turn.secret_file.read_bytes().strip()
            if not self._secret:
                msg = f"ice.turn.secret_file: {config.turn.secret_file} is empty; put coturn's static-auth-secret in it"
                raise ConfigError(msg)

    def for_subject(self, subject: str, *, until: float = 0.0) -> tuple[IceServer, ...]:
        """Return what goes into an RTCConfiguration.

        The credentials hold for ``ttl_s``, and till ``until`` (seconds since 1970) at least. A relay that stands lives
        on without them; only a new one needs them (measured with coturn 4.6.1).
        """
        servers = [IceServer(urls=self._config.stun)] if self._config.stun else []
        if self._config.turn is not None:
            expires = max(int(self._now()) + self._config.turn.ttl_s, int(until))
            user = f"{expires}:{subject}"
            # SHA-1 is what draft-uberti-behave-turn-rest and coturn use; as HMAC it stands
            mark = hmac.new(self._secret, user.encode(), hashlib.sha1).digest()
            servers.append(
                IceServer(urls=self._config.turn.urls, username=user, credential=base64.b64encode(mark).decode())
            )
        return tuple(servers)


def link_headers(servers: Iterable[IceServer]) -> list[str]:
    """Return ``Link`` headers with rel="ice-server" (draft-ietf-wish-whep §4.6), one for each URL."""
    lines = []
    for server in servers:
        for url in server.urls:
            line = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                line += f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
            lines.append(line)
    return lines
