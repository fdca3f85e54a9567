"""Which addresses are of the internet, and which addresses the guard does not even look up."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from controller.config import FetchConfig
from controller.safe_http import SafeHttp, is_public
from protocol.errors import FetchError


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.255.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.8.9.1", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "100::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:0a00:0001::", "3fff::1", "5f00::1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.20.0.1",
        "223.255.255.254", "2606:4700::1111", "2a01:e0a::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
    ],
)  # fmt: skip
def test_what_is_of_the_internet(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "calendars.example/a.ics",
        "//calendars.example/a.ics",
        "http://calendars.example/a.ics",
        "webcal://calendars.example/a.ics",
        "file:///etc/passwd",
        "ftp://calendars.example/a.ics",
        "gopher://calendars.example:70/_x",
        "https://",
        "https:///a.ics",
        "https://somebody@calendars.example/a.ics",
        "https://somebody:secret@calendars.example/a.ics",
        "https://calendars.example:22/a.ics",
        "https://calendars.example:80/a.ics",
        "https://calendars.example:0/a.ics",
        "https://calendars.example:99999/a.ics",
        "https://[::1/a.ics",
        "https://calendars.example\r\nHost: inside/a.ics",
        "https://calendars.example/" + "a" * 2_000,
        "https://\ud800/",
        "https://[fe80::1%é]/",
    ],
)
async def test_such_an_address_is_refused_before_its_name_is_asked_for(address: str) -> None:
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ()

    http = SafeHttp(FetchConfig(), resolve)
    with pytest.raises(FetchError) as caught:
        await http.get(address, most_bytes=10)
    assert (caught.value.code, caught.value.retryable) == ("address-refused", False)
    assert asked == []
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["xn--a", "xn--e28h.example", "xn--e28h"])
async def test_a_name_that_has_no_letters_is_asked_for_as_it_stands(name: str) -> None:
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1"]

    with pytest.raises(FetchError, match=f"{name} leads to an address inside"):
        await SafeHttp(FetchConfig(), resolve).get(f"https://{name}/", most_bytes=10)
    assert asked == [name]


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("2a01:e0a::1", "2a01:e0a::/32"),
        ("::ffff:1.1.1.1", "1.1.1.0/24"),
        ("64:ff9b::1.1.1.1", "1.1.1.0/24"),
        ("64:ff9b::1.1.1.1", "64:ff9b::/96"),
    ],
)
async def test_a_network_that_is_refused_is_refused_however_it_is_written(address: str, refused: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return [address]

    config = FetchConfig(refused=(ip_network(refused),), allowed=(ip_network("1.1.0.0/16"),))
    with pytest.raises(FetchError) as caught:
        await SafeHttp(config, resolve).get("https://calendars.example/", most_bytes=10)
    assert caught.value.code == "address-refused"


async def test_a_port_that_is_named_and_plain_http_are_taken_where_they_are_allowed() -> None:
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        raise OSError

    http = SafeHttp(FetchConfig(plain_http=True, ports=(8443,)), resolve)
    for address in ("http://calendars.example/", "https://calendars.example:8443/", "HTTPS://Calendars.Example:443/"):
        with pytest.raises(FetchError, match="there is no calendars"):
            await http.get(address, most_bytes=10)
    assert len(asked) == 3
