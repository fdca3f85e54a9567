"""HTTP that the centre begins itself, to addresses that somebody typed in: calendars and webhooks.

Such an address must not make the centre speak to what only the centre can reach. So a name is resolved here, once;
each of its addresses is judged; and the connection goes to an address that was judged, while certificate, SNI and Host
keep the name. What the centre's own configuration names (media server, broker) does not come this way.

Not guarded: what is inside and has addresses of the internet, beyond the networks of this machine's own interfaces.
Many schools have such, in IPv6 above all; ``[fetch] refused`` names them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from controller.config import FetchConfig
from controller.name_lookups import NameLookups
from controller.own_networks import own_networks
from protocol.errors import ConfigError, FetchError

logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes every address at INFO; a calendar's is a secret

Network = IPv4Network | IPv6Network
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
    """Asks addresses outside. One connection for each request: no cookie, no sign-in, no proxy from the environment.

    Calendars and webhooks have one each: names that hang are looked up by threads of its own, and hold up no other.
    """

    def __init__(self, config: FetchConfig, resolve: Resolver | None = None, *, deadline_s: float = DEADLINE_S) -> None:
        """Raise ConfigError for certificates that are none."""
        self._config = config
        self._resolve = resolve or NameLookups().resolve
        self._deadline_s = deadline_s
        self._tls = ssl.create_default_context()
        if config.ca_file is not None:
            try:
                self._tls.load_verify_locations(config.ca_file)
            except OSError as error:  # ssl.SSLError is one
                msg = f"[fetch] ca_file {config.ca_file} cannot be read as certificates ({error})"
                raise ConfigError(msg) from error

    async def get(self, address: str, headers: Mapping[str, str] | None = None, *, most_bytes: int) -> Answer:
        """Return what is at ``address``, after at most MOST_REDIRECTS redirects, each judged as the first.

        ``headers`` go to each of them. Raises FetchError ``address-refused`` or ``fetch-failed``, and
        AnswerTooLargeError. No sentence has more of the address than its host: the rest is often a secret.
        """
        url = self._url(address)
        async with _within(self._deadline_s, _host(url)):
            for _ in range(MOST_REDIRECTS + 1):
                answer = await self._exchange("GET", url, headers or {}, None, most_bytes)
                if answer.status not in _REDIRECTS:
                    return answer
                url = self._redirected(url, answer.headers.get("location", ""))
        raise FetchError(f"{_host(url)} sends from one address to the next, more than {MOST_REDIRECTS} times")

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer; a redirect is one too and is not followed: what was signed for one
        receiver is for no other. Raises as ``get`` does.
        """
        url = self._url(address)
        async with _within(self._deadline_s, _host(url)):
            return await self._exchange("POST", url, headers, body, MOST_ANSWER_BYTES)

    def _url(self, address: str) -> httpx.URL:
        """Return the address parsed, by the parser that the connection is made from; a second one might differ."""
        if len(address) > MOST_ADDRESS_CHARACTERS:
            raise _refusal(f"the address is longer than {MOST_ADDRESS_CHARACTERS} characters")
        try:
            url = httpx.URL(address)
            host = _host(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise _refusal("this is no address of the web") from error
        schemes = ("https", "http") if self._config.plain_http else ("https",)
        if url.scheme not in schemes or not host:
            raise _refusal(
                f"an address here begins with {' or '.join(f'{scheme}://' for scheme in schemes)} and a name"
            )
        if url.userinfo:
            raise _refusal(f"the address at {host} has a name or a password in it; it has to go without")
        if url.port not in (None, _DEFAULT_PORTS[url.scheme], *self._config.ports):
            raise _refusal(f"port {url.port} of {host} is none of those that [fetch] ports names")
        return url

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            joined = url.join(location)
        except (httpx.InvalidURL, ValueError) as error:
            raise FetchError(f"{_host(url)} sends on to an address that is none", retryable=False) from error
        if url.scheme == "https" and joined.scheme == "http":
            raise _refusal(f"{_host(url)} sends on to an address without TLS")
        return self._url(str(joined))

    async def _exchange(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None, most_bytes: int
    ) -> Answer:
        host = _host(url)
        addresses = await self._judged(host)
        ours = {"Host": url.netloc.decode("ascii"), "User-Agent": "Estrade", "Accept-Encoding": "identity"}
        timeout = httpx.Timeout(None, connect=CONNECT_S).as_dict()
        # No httpx.AsyncClient: it looks into redirects even where it follows none, and falls over some.
        async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            for address in addresses[:MOST_ADDRESSES]:
                request = httpx.Request(
                    method,
                    url.copy_with(host=address),
                    headers={**headers, **ours},
                    content=body,
                    extensions={"sni_hostname": host, "timeout": timeout},
                )
                try:
                    answer = await transport.handle_async_request(request)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error
                    continue
                except httpx.HTTPError as error:
                    raise _broken(host) from error
                try:
                    return Answer(answer.status_code, dict(answer.headers), await _body(answer, host, most_bytes))
                finally:
                    await answer.aclose()
        # One sentence whatever it was: who typed the address in is not to learn by it which ports are open.
        raise FetchError(
            f"{host} cannot be reached: nobody answers there, or not with a certificate that is known here"
        ) from failed

    async def _judged(self, host: str) -> Sequence[str]:
        """Return the addresses of a name; all are refused with one: who mixes them means no good."""
        try:
            addresses = await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"there is no {host}, or its name server does not answer") from error
        if not addresses:
            raise FetchError(f"{host} has no address")
        try:
            own = own_networks()
        except OSError as error:
            raise FetchError("the centre does not learn which networks it is in, and so goes nowhere") from error
        for address in addresses:
            if not self._may_go_to(address, own):
                raise _refusal(f"{host} leads to an address inside; [fetch] allowed has to name its network")
        return addresses

    def _may_go_to(self, address: str, own: Collection[Network]) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        inner = _inner(parsed)
        if _is_in(parsed, self._config.refused) or _is_in(inner, self._config.refused):
            return False
        return _is_in(inner, self._config.allowed) or (is_public(inner) and not _is_in(inner, own))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is one of the internet's, and of a single machine."""
    address = _inner(address)
    if isinstance(address, IPv4Address):
        return not _is_in(address, _NOT_PUBLIC_V4)
    return address in _UNICAST_V6 and not _is_in(address, _NOT_PUBLIC_V6)


def _is_in(address: IPv4Address | IPv6Address, networks: Collection[Network]) -> bool:
    return any(address in network for network in networks)


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
        raise _broken(host) from error
    return b"".join(parts)


def _refusal(sentence: str) -> FetchError:
    return FetchError(sentence, code="address-refused", retryable=False)


def _broken(host: str) -> FetchError:
    return FetchError(f"{host} breaks off, or does not answer as the web does")


def _host(url: httpx.URL) -> str:
    """Return the host as it is asked for; ``url.host`` turns it into letters, and raises for names it has none for."""
    return url.raw_host.decode("ascii")
