"""``[relay]``: where a room publishes when its own line cannot hold every pupil."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from protocol.errors import MediaServerError


def _whip_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname or any(sign.isspace() for sign in value):
        msg = "is no address of a WHIP endpoint; write https://host/path"
        raise ValueError(msg)
    return value


WhipUrl = Annotated[str, AfterValidator(_whip_url)]


@dataclass(frozen=True)
class RelaySettings:
    """A media server, as two WHIP addresses: each session may hold one video (RFC 9725 §4.5)."""

    whip_lesson: WhipUrl
    """Takes sound and camera."""
    whip_board: WhipUrl
    token_file: Path | None = None
    """The publisher's Bearer token, alone in a file; read at each attempt."""
    ca_file: Path | None = None
    """The authority of the server's certificate, where the machine does not know it."""

    def __post_init__(self) -> None:
        for url in (self.whip_lesson, self.whip_board):
            parts = urlsplit(url)
            if self.token_file is not None and parts.scheme == "http" and not _is_here(parts.hostname or ""):
                msg = f"the token would go to {parts.hostname} without TLS; write https://"
                raise ValueError(msg)

    def token(self) -> str | None:
        """Read the token. Raises MediaServerError."""
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise MediaServerError(
                f"the media server's token in {self.token_file} cannot be read: {error}", code="media-server-refused"
            ) from error


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
