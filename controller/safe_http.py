"""HTTP that the centre begins itself, to addresses that somebody typed in: calendars and webhooks.

Such an address must not make the centre speak to what only the centre can reach. So a name is resolved here, once;
each of its addresses is judged; and the connection goes to an address that was judged, while certificate, SNI and Host
keep the name. What the centre's own configuration names (media server, broker) does not come this way.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import httpx
from pydantic import Field

from controller.config import Section
from protocol.errors import FetchError

logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes every address at INFO; a calendar's is a secret

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Returns a name's addresses as text; OSError or UnicodeError where there are none."""

DEADLINE_S = 10.0
"""Of the whole exchange: name, connection, redirects and body."""
CONNECT_S = 4.0
"""Of one address, so that a dead one leaves time for the next."""
MOST_ADDRESSES = 3
MOST_REDIRECTS = 3
MOST_ADDRESS_CHARACTERS = 2_000
MOST_ANSWER_BYTES = 65_536
"""Of what a webhook answers."""
RESOLVING_THREADS = 4
"""A name server that hangs holds one of these, and none of those that the rest of the centre works with."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"https": 443, "http": 80}

# IANA's registries of special-purpose addresses; not ``ipaddress.is_global``, which differs between Python's versions.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    # special purposes with Teredo; documentation twice; 6to4
    for network in ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16")
)
_NAT64 = IPv6Network("64:ff9b::/96")


class FetchConfig(Section):
    """``[fetch]``: where the centre may go for calendars and webhooks; the internet over TLS alone, where nothing is
    said."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), max_length=64, description="networks inside that it may go to all the same, as 10.1.0.0/16"
    )
    plain_http: bool = Field(default=False, description="also without TLS")
    ports: tuple[int, ...] = Field(default=(), max_length=16, description="besides 443, and 80 where without TLS")
    ca_file: Path | None = Field(default=None, description="an authority besides those known here")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AnswerTooLargeError(FetchError):
    """The body went on past what its reader takes."""

    default_retryable = False


class SafeHttp:
    """Asks addresses outside. One connection for each request: no cookie, no sign-in, no proxy from the environment."""

    def __init__(self, config: FetchConfig, resolve: Resolver | None = None, *, deadline_s: float = DEADLINE_S) -> None:
        self._config = config
        self._resolve = resolve or self._system_addresses
        self._deadline_s = deadline_s
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="resolve")
        self._tls = ssl.create_default_context()
        if config.ca_file is not None:
            self._tls.load_verify_locations(config.ca_file)

    def close(self) -> None:
        """Let the threads go; a name that still hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def get(self, address: str, headers: Mapping[str, str] | None = None, *, most_bytes: int) -> Answer:
        """Return what is at ``address``, after at most MOST_REDIRECTS redirects, each judged as the first.

        ``headers`` go to each of them. Raises FetchError ``address-refused`` or ``fetch-failed``, and
        AnswerTooLargeError. No sentence has more of the address than its host: the rest is often a secret.
        """
        url = self._url(address)
        async with _within(self._deadline_s, url.host):
            for _ in range(MOST_REDIRECTS + 1):
                answer = await self._exchange("GET", url, headers or {}, None, most_bytes)
                if answer.status not in _REDIRECTS:
                    return answer
                url = self._redirected(url, answer.headers.get("location", ""))
        raise FetchError(f"{url.host} sends from one address to the next, more than {MOST_REDIRECTS} times")

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer; a redirect is one too and is not followed: what was signed for one
        receiver is for no other. Raises as ``get`` does.
        """
        url = self._url(address)
        async with _within(self._deadline_s, url.host):
            return await self._exchange("POST", url, headers, body, MOST_ANSWER_BYTES)

    def _url(self, address: str) -> httpx.URL:
        """Return the address parsed, by the parser that the connection is made from; a second one might differ."""
        if len(address) > MOST_ADDRESS_CHARACTERS:
            raise _refusal(f"the address is longer than {MOST_ADDRESS_CHARACTERS} characters")
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, ValueError) as error:
            raise _refusal("this is no address of the web") from error
        schemes = ("https", "http") if self._config.plain_http else ("https",)
        if url.scheme not in schemes or not url.host:
            raise _refusal(
                f"an address here begins with {' or '.join(f'{scheme}://' for scheme in schemes)} and a name"
            )
        if url.userinfo:
            raise _refusal(f"the address at {url.host} has a name or a password in it; it has to go without")
        if url.port not in (None, _DEFAULT_PORTS[url.scheme], *self._config.ports):
            raise _refusal(f"port {url.port} of {url.host} is none of those that [fetch] ports names")
        return url

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            joined = url.join(location)
        except (httpx.InvalidURL, ValueError) as error:
            raise FetchError(f"{url.host} sends on to an address that is none", retryable=False) from error
        if url.scheme == "https" and joined.scheme == "http":
            raise _refusal(f"{url.host} sends on to an address without TLS")
        return self._url(str(joined))

    async def _exchange(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None, most_bytes: int
    ) -> Answer:
        addresses = await self._judged(url.raw_host.decode("ascii"))
        ours = {"Host": url.netloc.decode("ascii"), "User-Agent": "Estrade", "Accept-Encoding": "identity"}
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout) as client:
            for address in addresses[:MOST_ADDRESSES]:
                request = client.build_request(
                    method,
                    url.copy_with(host=address),
                    headers={**headers, **ours},
                    content=body,
                    extensions={"sni_hostname": url.raw_host.decode("ascii")},
                )
                try:
                    answer = await client.send(request, stream=True, follow_redirects=False)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error
                    continue
                except httpx.HTTPError as error:
                    raise FetchError(f"{url.host} breaks off: {_words(error)}") from error
                try:
                    return Answer(answer.status_code, dict(answer.headers), await _body(answer, url.host, most_bytes))
                finally:
                    await answer.aclose()
        raise FetchError(f"{url.host} cannot be reached: {_words(failed)}") from failed

    async def _judged(self, host: str) -> Sequence[str]:
        """Return the addresses of a name; all are refused with one: who mixes them means no good."""
        try:
            addresses = await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"there is no {host}, or its name server does not answer") from error
        if not addresses:
            raise FetchError(f"{host} has no address")
        for address in addresses:
            if not self._may_go_to(address):
                raise _refusal(f"{host} leads to an address inside; [fetch] allowed has to name its network")
        return addresses

    def _may_go_to(self, address: str) -> bool:
        try:
            parsed = _inner(ip_address(address))
        except ValueError:
            return False
        return is_public(parsed) or any(parsed in network for network in self._config.allowed)

    async def _system_addresses(self, host: str) -> Sequence[str]:
        def ask() -> list[str]:
            return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is one of the internet's, and of a single machine."""
    address = _inner(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that a mapped or a NAT64 one stands for; another as it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


@asynccontextmanager
async def _within(deadline_s: float, host: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as error:
        raise FetchError(f"{host} did not give all of its answer within {deadline_s:g} s") from error


async def _body(answer: httpx.Response, host: str, most_bytes: int) -> bytes:
    """Read the body as it is sent: what somebody packed could unpack to any size."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{host} sends a packed answer, which was not asked for", retryable=False)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in answer.aiter_raw():
            size += len(part)
            if size > most_bytes:
                raise AnswerTooLargeError(f"{host} sends more than the {most_bytes} bytes that are taken")
            parts.append(part)
    except httpx.HTTPError as error:
        raise FetchError(f"{host} breaks off: {_words(error)}") from error
    return b"".join(parts)


def _refusal(sentence: str) -> FetchError:
    return FetchError(sentence, code="address-refused", retryable=False)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
