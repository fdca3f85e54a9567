"""WHIP (RFC 9725), the side that publishes: an offer goes to a media server by HTTP, its answer comes back."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from protocol.errors import MediaServerError
from protocol.messages import IceServer

logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes every address at INFO

SDP = "application/sdp"
ANSWER_S = 10.0
"""For one answer: a media server makes its own connection meanwhile, and a cluster may start one."""
END_S = 0.5
"""A lesson that ends does not wait longer for a server to hear of it."""
MOST_REDIRECTS = 3
MOST_WORDS = 160
"""Of a refusal's own words; some servers answer with a page."""

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:\"[^\"]*\"|[^;,\s]+))*)")
_PARAMETER = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([^;,\s]+))")


@dataclass(frozen=True, slots=True)
class Published:
    """What a media server has taken: its answer, and where to say that it is over."""

    sdp: str
    location: httpx.URL
    etag: str | None


class WhipEndpoint:
    """One address that takes a publisher. `close` it: it keeps a connection open."""

    def __init__(self, url: str, *, token: str | None, ca_file: Path | None) -> None:
        self._url = httpx.URL(url)
        self._token = token
        # the machine's own certificates, where a school puts its authority; not those that come with the library
        tls = ssl.create_default_context(cafile=ca_file)
        self._http = httpx.AsyncClient(verify=tls, timeout=ANSWER_S, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def ice_servers(self) -> tuple[IceServer, ...]:
        """Return the STUN and TURN servers that the address names before an offer; none when it names none.

        They are wanted before the offer is made, for aiortc takes no other ones later (RFC 9725 §4.6).
        """
        try:
            response = await self._http.request("OPTIONS", self._url, headers=self._headers(self._url))
        except httpx.HTTPError:
            return ()  # the offer goes there next, and says what is the matter
        return read_links(response.headers.get_list("link")) if response.is_success else ()

    async def publish(self, offer: str) -> Published:
        """Post an offer and return what came of it. Raises MediaServerError."""
        url = self._url
        try:
            async with asyncio.timeout(ANSWER_S):
                for _ in range(MOST_REDIRECTS + 1):
                    headers = {"Content-Type": SDP, "Accept": SDP, **self._headers(url)}
                    response = await self._http.post(url, content=offer, headers=headers)
                    if response.status_code not in (307, 308):
                        return _published(url, response)
                    url = url.join(response.headers.get("location", ""))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            said = str(error) or "no answer in time"
            raise MediaServerError(f"the media server at {url.host} cannot be reached: {said}") from error
        raise MediaServerError(f"{self._url.host} sends publishers on and on", code="media-server-refused")

    async def end(self, published: Published) -> None:
        """Say that it is over. A server that does not hear notices by itself that nothing comes."""
        headers = self._headers(published.location)
        if published.etag is not None:
            headers["If-Match"] = published.etag
        try:
            async with asyncio.timeout(END_S):
                await self._http.delete(published.location, headers=headers)
        except (httpx.HTTPError, TimeoutError):
            return

    def _headers(self, url: httpx.URL) -> dict[str, str]:
        """Return the token, for the configured origin alone: a redirect must not carry it elsewhere."""
        same = (url.scheme, url.host, url.port) == (self._url.scheme, self._url.host, self._url.port)
        return {"Authorization": f"Bearer {self._token}"} if self._token is not None and same else {}


def _published(url: httpx.URL, response: httpx.Response) -> Published:
    if response.status_code != 201:
        retry_after = response.headers.get("retry-after", "")
        raise MediaServerError(
            f"the media server at {url.host} refuses with {response.status_code}: {words(response)}",
            code="media-server-refused",
            retry_after_s=float(retry_after) if retry_after.isdecimal() else None,
        )
    kind, location = response.headers.get("content-type", "").split(";")[0].strip(), response.headers.get("location")
    if kind != SDP or not response.text.startswith("v=0") or location is None:
        raise MediaServerError(
            f"what answers at {url} is no WHIP endpoint: 201 with {kind or 'no type'}"
            f"{' and no Location' if location is None else ''}",
            code="media-server-refused",
        )
    return Published(response.text, url.join(location), response.headers.get("etag"))


def words(response: httpx.Response) -> str:
    """Return a refusal's own words in one short line, or HTTP's for its status."""
    text = " ".join(response.text.split())
    return text[:MOST_WORDS] if text and "<" not in text[:1] else response.reason_phrase


def read_links(lines: Iterable[str]) -> tuple[IceServer, ...]:
    """Return the servers of ``Link: <turn:…>; rel="ice-server"; username=…; credential=…`` headers (RFC 9725 §4.6)."""
    servers = []
    for line in lines:
        for url, parameters in _LINK.findall(line):
            known = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(parameters)}
            if known.get("rel") == "ice-server" and url.split(":")[0] in ("stun", "stuns", "turn", "turns"):
                servers.append(
                    IceServer(urls=(url,), username=known.get("username"), credential=known.get("credential"))
                )
    return tuple(servers)
