"""Through every network that schools have, a pupil who waits is connected by Start and by nothing else.

Room and pupil sit in networks of their own, with a router, a real coturn with our example of a configuration, and a
Chromium that trusts the test's authority as IT would have it do, by its certificate store.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import chromium
from tests.networks.namespaces import run_inside
from tests.peers import need

pytestmark = pytest.mark.timeout(120)

OK, NO = "ok", "warning"


def inside(*arguments: str) -> dict[str, Any]:
    for program, package in (
        ("mosquitto", "mosquitto"),
        ("mosquitto_sub", "mosquitto-clients"),
        ("turnserver", "coturn"),
        ("certutil", "libnss3-tools"),
        (chromium.PROGRAM, chromium.PACKAGE),
    ):
        need(program, package)
    told: dict[str, Any] = run_inside("tests.networks.attend", *arguments, timeout_s=100)
    return told


def attend(case: str) -> dict[str, Any]:
    told = inside(case)
    assert min(told["pictures"].values()) > 0, told
    return told


def test_in_one_network_they_meet_directly() -> None:
    told = attend("direct")
    assert told["pair"]["room"] == "host"
    assert told["pair"]["own"] != "relay"
    assert told["checks"] == {}, "where there is no TURN server, none is missing"


def test_behind_two_routers_stun_is_enough() -> None:
    told = attend("stun")
    assert told["pair"]["own"] in ("srflx", "prflx")
    assert told["pair"]["room"] in ("srflx", "prflx")


def test_behind_symmetric_routers_they_meet_at_the_relay() -> None:
    told = attend("symmetric")
    assert "relay" in (told["pair"]["own"], told["pair"]["room"])
    assert told["pair"]["relay"] in (None, "udp"), "no way is slower than it has to be"
    assert told["checks"] == {"turn": OK, "turn-udp": OK, "turn-tcp": OK, "turn-tls": OK}


@pytest.mark.timed
def test_where_udp_is_dropped_the_relay_is_reached_over_tcp() -> None:
    told = attend("no-udp")
    assert (told["pair"]["own"], told["pair"]["room"], told["pair"]["relay"]) == ("relay", "relay", "tcp")
    assert told["checks"] == {"turn": NO, "turn-udp": NO, "turn-tcp": OK, "turn-tls": OK}
    assert max(told["first_ms"].values()) < 3_000, "nobody waits for a server that keeps silent"


@pytest.mark.timed
def test_where_only_443_is_open_the_relay_is_reached_over_tls() -> None:
    told = attend("only-443")
    assert (told["pair"]["own"], told["pair"]["room"], told["pair"]["relay"]) == ("relay", "relay", "tls")
    assert told["checks"] == {"turn": NO, "turn-udp": NO, "turn-tcp": NO, "turn-tls": OK}
    assert max(told["first_ms"].values()) < 3_000, "nobody waits for a server that keeps silent"


@pytest.mark.timed
def test_a_room_with_another_address_does_not_wait_for_the_old_line_to_time_out() -> None:
    told = inside("home", "moved")
    assert told["back_s"] < 10, "in vain on its old address it is 30 s"
