"""The guard before the centre's own requests, against real servers and a name server of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest

from controller.config import FetchConfig
from controller.pki import CertificateAuthority, CertificatePaths
from controller.safe_http import AnswerTooLargeError, Resolver, SafeHttp
from protocol.errors import FetchError
from tests.networks.namespaces import run_inside
from tests.outside import Asked, Names, Outside, Served, outside, saying

LOOPBACK = "127.0.0.0/8"
NAME = "calendars.example"


@pytest.fixture(scope="module")
def certificate(authority: CertificateAuthority) -> CertificatePaths:
    """The certificate of `NAME` alone."""
    return authority.web([NAME])


@pytest.fixture
async def serving(authority: CertificateAuthority, certificate: CertificatePaths) -> AsyncIterator[Outside]:
    """A TLS server for `NAME`, allowed to be gone to."""
    async with outside(saying(b"BEGIN"), certificate) as server:
        yield server


def going(
    authority: CertificateAuthority, *ports: int, allowed: str = LOOPBACK, refused: Sequence[str] = (),
    resolve: Resolver | None = None, deadline_s: float = 5.0, plain: bool = False,
) -> SafeHttp:  # fmt: skip
    config = FetchConfig(
        allowed=(ip_network(allowed),), refused=tuple(map(ip_network, refused)), ports=ports,
        ca_file=authority.ca_path, plain_http=plain,
    )  # fmt: skip
    return SafeHttp(config, resolve or Names(calendars_example=[["127.0.0.1"]]).resolve, deadline_s=deadline_s)


async def test_the_connection_goes_to_the_address_that_was_judged_with_the_name_as_host_and_certificate(
    authority: CertificateAuthority, serving: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    http = going(authority, serving.port)
    answer = await http.get(f"https://{NAME}:{serving.port}/a.ics?key=1", {"If-None-Match": '"1"'}, most_bytes=100)
    assert (answer.status, answer.body) == (200, b"BEGIN")
    (asked,) = serving.asked
    assert (asked.method, asked.target) == ("GET", "/a.ics?key=1")
    assert asked.headers["host"] == f"{NAME}:{serving.port}"
    assert asked.headers["if-none-match"] == '"1"'
    assert not {"cookie", "authorization", "proxy-authorization"} & asked.headers.keys()


async def test_a_certificate_of_another_name_is_refused(authority: CertificateAuthority, serving: Outside) -> None:
    names = Names(other_example=[["127.0.0.1"]])
    http = going(authority, serving.port, resolve=names.resolve)
    with pytest.raises(FetchError, match="certificate") as caught:
        await http.get(f"https://other.example:{serving.port}/", most_bytes=100)
    assert caught.value.code == "fetch-failed"
    assert serving.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "0x7f000001", "2130706433", "127.1", "localhost", "0.0.0.0"],
)
async def test_no_way_of_writing_loopback_gets_there(host: str) -> None:
    """By the system's own resolver, which reads numbers as inet_aton(3) does."""
    async with outside(saying(b"inside")) as server:
        http = SafeHttp(FetchConfig(plain_http=True, ports=(server.port,)))
        with pytest.raises(FetchError) as caught:
            await http.get(f"http://{host}:{server.port}/", most_bytes=100)
        assert caught.value.code == "address-refused"
        assert server.connections == 0


async def test_a_name_that_turns_inside_between_check_and_connection_gains_nothing(
    authority: CertificateAuthority, serving: Outside
) -> None:
    """192.0.2.0/24 stands for the internet here; nobody answers there."""
    names = Names(calendars_example=[["192.0.2.1"], ["127.0.0.1"]])
    http = going(authority, serving.port, allowed="192.0.2.0/24", resolve=names.resolve, deadline_s=1.0)
    with pytest.raises(FetchError):
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert names.asked == [NAME]
    with pytest.raises(FetchError) as caught:
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert caught.value.code == "address-refused"
    assert serving.connections == 0


async def test_one_address_inside_refuses_the_name(authority: CertificateAuthority, serving: Outside) -> None:
    names = Names(calendars_example=[["127.0.0.1", "10.0.0.1"]])
    http = going(authority, serving.port, resolve=names.resolve)
    with pytest.raises(FetchError) as caught:
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert caught.value.code == "address-refused"
    assert "10.0.0.1" not in caught.value.message
    assert serving.connections == 0


async def test_the_next_address_is_tried_where_nobody_listens(
    authority: CertificateAuthority, serving: Outside
) -> None:
    names = Names(calendars_example=[["127.0.0.2", "127.0.0.1"]])
    http = going(authority, serving.port, resolve=names.resolve)
    answer = await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert answer.status == 200


async def test_an_ipv6_address_is_gone_to(authority: CertificateAuthority, certificate: CertificatePaths) -> None:
    names = Names(calendars_example=[["::1"]])
    async with outside(saying(b"six"), certificate, host="::1") as server:
        http = going(authority, server.port, allowed="::1/128", resolve=names.resolve)
        answer = await http.get(f"https://{NAME}:{server.port}/", most_bytes=100)
    assert answer.body == b"six"


def sending_on(*targets: str) -> Served:
    """Serve redirects in turn, then a body."""
    left = list(targets)

    async def serve(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if left:
            await saying(b"", "302 Found", Location=left.pop(0), Set_Cookie="a=b; Path=/")(asked, writer)
        else:
            await saying(b"there")(asked, writer)

    return serve


async def test_redirects_are_followed_up_to_three_and_carry_no_cookie(
    authority: CertificateAuthority, serving: Outside
) -> None:
    http = going(authority, serving.port)
    serving.serve = sending_on("/b", "/c", "/d")
    answer = await http.get(f"https://{NAME}:{serving.port}/a", most_bytes=100)
    assert answer.body == b"there"
    assert [asked.target for asked in serving.asked] == ["/a", "/b", "/c", "/d"]
    assert not any("cookie" in asked.headers for asked in serving.asked)
    serving.serve = sending_on("/b", "/c", "/d", "/e")
    with pytest.raises(FetchError, match="more than 3 times"):
        await http.get(f"https://{NAME}:{serving.port}/a", most_bytes=100)


@pytest.mark.parametrize(
    "target",
    [
        "https://inside.example:{port}/",
        "http://calendars.example:{port}/",
        "https://calendars.example:1/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_is_judged_as_the_first_address_is(
    authority: CertificateAuthority, serving: Outside, target: str
) -> None:
    names = Names(calendars_example=[["127.0.0.1"]], inside_example=[["10.0.0.1"]])
    serving.serve = sending_on(target.format(port=serving.port))
    http = going(authority, serving.port, resolve=names.resolve, plain=True)
    with pytest.raises(FetchError) as caught:
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert caught.value.code == "address-refused"
    assert len(serving.asked) == 1


async def test_a_post_is_not_sent_on(authority: CertificateAuthority, serving: Outside) -> None:
    serving.serve = sending_on("/b")
    http = going(authority, serving.port)
    answer = await http.post(f"https://{NAME}:{serving.port}/a", b"{}", {"Content-Type": "application/json"})
    assert answer.status == 302
    assert [(asked.method, asked.target) for asked in serving.asked] == [("POST", "/a")]


async def for_ever(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def slow_head(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000):
        writer.write(b"X-%d: y\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_head(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Y: " + b"z" * 65_536 + b"\r\n")
        await writer.drain()


async def silence(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def cut(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


async def no_http(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")


async def test_a_body_without_end_is_let_go_at_its_bound(authority: CertificateAuthority, serving: Outside) -> None:
    serving.serve = for_ever
    http = going(authority, serving.port)
    with pytest.raises(AnswerTooLargeError, match="more than the 1000000 bytes"):
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=1_000_000)


async def test_a_body_of_just_its_bound_is_taken(authority: CertificateAuthority, serving: Outside) -> None:
    http = going(authority, serving.port)
    assert (await http.get(f"https://{NAME}:{serving.port}/", most_bytes=5)).body == b"BEGIN"
    with pytest.raises(AnswerTooLargeError):
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=4)


@pytest.mark.parametrize("serve", [slowly, slow_head, silence], ids=lambda serve: serve.__name__)
async def test_the_deadline_holds_for_all_of_the_exchange(
    authority: CertificateAuthority, serving: Outside, serve: Served
) -> None:
    serving.serve = serve
    http = going(authority, serving.port, deadline_s=0.4)
    began_s = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0\.4 s") as caught:
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=10_000)
    assert time.monotonic() - began_s < 5.0
    assert (caught.value.code, caught.value.retryable) == ("fetch-failed", True)


async def test_the_deadline_holds_for_a_name_server_too(authority: CertificateAuthority) -> None:
    async def resolve(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    http = going(authority, resolve=resolve, deadline_s=0.2)
    with pytest.raises(FetchError, match=r"within 0\.2 s"):
        await http.get(f"https://{NAME}/", most_bytes=10)


@pytest.mark.parametrize("serve", [endless_head, cut, no_http], ids=lambda serve: serve.__name__)
async def test_what_is_no_whole_answer_is_none(
    authority: CertificateAuthority, serving: Outside, serve: Served
) -> None:
    serving.serve = serve
    http = going(authority, serving.port)
    with pytest.raises(FetchError, match="breaks off") as caught:
        await http.get(f"https://{NAME}:{serving.port}/secret", most_bytes=10_000)
    assert caught.value.code == "fetch-failed"
    assert "secret" not in caught.value.message


async def test_a_packed_answer_is_not_unpacked(authority: CertificateAuthority, serving: Outside) -> None:
    serving.serve = saying(b"\x1f\x8b", Content_Encoding="gzip")
    http = going(authority, serving.port)
    with pytest.raises(FetchError, match="packed"):
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=10_000)
    assert serving.asked[0].headers["accept-encoding"] == "identity"


async def test_one_sentence_says_that_nobody_can_be_reached_whatever_it_was(
    authority: CertificateAuthority, serving: Outside
) -> None:
    """Two would tell who typed the address in which ports are open."""
    names = Names(other_example=[["127.0.0.1"]])
    sentences = set()
    async with outside(saying(b"no TLS here")) as plain:
        http = going(authority, 1, serving.port, plain.port, resolve=names.resolve)
        for port in (1, serving.port, plain.port):  # nobody listens; a certificate of another name; no TLS
            with pytest.raises(FetchError) as caught:
                await http.get(f"https://other.example:{port}/", most_bytes=10)
            sentences.add((caught.value.code, caught.value.message))
    assert len(sentences) == 1


@pytest.mark.parametrize(
    "target", ["https://xn--a/", "https://[fe80::1%é]/", "https://[::1", "https://xn--e28h.example/"]
)
async def test_a_redirect_to_a_name_that_is_none_is_a_failure_like_any_other(
    authority: CertificateAuthority, serving: Outside, target: str
) -> None:
    serving.serve = sending_on(target)
    http = going(authority, serving.port)
    with pytest.raises(FetchError):
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=10)


async def test_refused_is_stronger_than_allowed(authority: CertificateAuthority, serving: Outside) -> None:
    http = going(authority, serving.port, refused=["127.0.0.0/30"])
    with pytest.raises(FetchError) as caught:
        await http.get(f"https://{NAME}:{serving.port}/", most_bytes=100)
    assert caught.value.code == "address-refused"
    assert serving.connections == 0


def test_the_networks_of_its_own_interfaces_are_not_the_internet() -> None:
    said = run_inside("tests.integration.controller.beside_the_centre", timeout_s=60)
    assert said == {
        "own address": "address-refused",
        "neighbour": "address-refused",
        "neighbour in IPv6": "address-refused",
        "elsewhere": "fetch-failed",
        "allowed": "200",
        "connections": 1,
    }


async def test_nobody_there_is_said_with_the_name(authority: CertificateAuthority) -> None:
    http = going(authority, 1)
    with pytest.raises(FetchError, match=f"{NAME} cannot be reached") as caught:
        await http.get(f"https://{NAME}:1/secret", most_bytes=10)
    assert caught.value.retryable
    assert "secret" not in caught.value.message
