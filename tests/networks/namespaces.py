"""Networks of a test's own, without root: everything lives in namespaces that end with the process that made them.

Outside, `run_inside` starts a Python module in new user, network, mount and process namespaces. In there `Networks`
makes one network namespace per place, joined by veth pairs, and routers with NAT and a firewall between them.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.peers import missing, need

HERE = Path(__file__).resolve().parents[2]
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Nat = Literal["port-restricted", "symmetric"]
Firewall = Literal["open", "no-udp", "only-443"]

_REFUSED = (
    "this machine gives no user namespaces, and the tests of networks make theirs in one; allow them with: "
    "sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 "
    "(Ubuntu also: kernel.apparmor_restrict_unprivileged_userns=0), or run them as root"
)


# --- outside ----------------------------------------------------------------------------------------------------------


@functools.cache
def _unshare() -> list[str] | None:
    """Return the command that enters new namespaces; None where the kernel refuses them."""
    program = need("unshare", "util-linux")
    common = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    ways = [[program, "--user", "--map-root-user", *common]]
    if os.geteuid() == 0:
        ways.append([program, *common])  # a container may give root networks and no user namespaces
    for way in ways:
        if subprocess.run([*way, "true"], capture_output=True, timeout=20, check=False).returncode == 0:
            return way
    return None


def command_inside(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in namespaces of its own; all it starts ends with it.

    Skips the test, or fails it under ``REQUIRE_PEERS=1``, where something that this takes is missing.
    """
    need("ip", "iproute2")
    need("nft", "nftables")
    way = _unshare()
    if way is None:
        missing(_REFUSED)
    return [*way, sys.executable, "-m", module, *arguments]


def run_inside(module: str, *arguments: str, timeout_s: float) -> Any:
    """Run a module in there and return the JSON of its last line; AssertionError with what it said when it fails."""
    argv = command_inside(module, *arguments)
    done = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, timeout=timeout_s, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{module} {' '.join(arguments)}:\n{done.stderr[-6000:]}"
    assert lines, f"{module} {' '.join(arguments)} told nothing:\n{done.stderr[-6000:]}"
    return json.loads(lines[-1])


# --- inside -----------------------------------------------------------------------------------------------------------


@contextmanager
def entered(place: str) -> Iterator[None]:
    """Let this thread open its sockets in a place, until the block is left."""
    with Path("/proc/thread-self/ns/net").open("rb") as here, Path("/run/netns", place).open("rb") as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(here.fileno())


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def at(place: str, *argv: str) -> list[str]:
    """Return the command that runs a program in a place."""
    return ["nsenter", f"--net=/run/netns/{place}", *argv]


class Networks:
    """The world outside is a bridge here, 203.0.113.0/24; places hang on it, or sit behind routers that do.

    Make it in namespaces of one's own only: it mounts over /run and files of /etc.
    """

    def __init__(self, names: dict[str, str]) -> None:
        """``names`` are names of hosts and their addresses, as everybody resolves them."""
        assert os.getpid() < 100, "this is meant for a process namespace of its own"
        files = {
            "/etc/hosts": "".join(
                f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **names}.items()
            ),
            # whoever asks a name server all the same (Chromium, for IPv6 addresses) hears at once that there is none
            "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        }
        real = {name: Path(name).resolve() for name in files}  # systemd-resolved has its own in /run
        _run("mount", "-t", "tmpfs", "none", "/run")
        Path("/run/netns").mkdir()
        for name, text in files.items():
            if real[name].is_relative_to("/run"):
                real[name].parent.mkdir(parents=True, exist_ok=True)
                real[name].write_text(text)
            elif real[name].exists():
                ours = Path("/run", Path(name).name)
                ours.write_text(text)
                _run("mount", "--bind", str(ours), str(real[name]))
        _quiet_ipv6()
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "outside", "type", "bridge", "forward_delay", "0")
        _ip("link", "set", "outside", "up")

    def plug_in(self, place: str, *addresses: str) -> None:
        """Put a place, new or known, into the world outside."""
        self._make(place)
        _ip("link", "add", f"o-{place}", "type", "veth", "peer", "name", "out", "netns", place)
        _ip("link", "set", f"o-{place}", "master", "outside", "up")
        for address in addresses:
            _ip("-n", place, "address", "add", f"{address}/24", "dev", "out")
        _ip("-n", place, "link", "set", "out", "up")

    def put_behind(self, place: str, router: str, *, address: str, outside: str, nat: Nat, firewall: Firewall) -> None:
        """Put a place behind a router of its own, which has the address ``outside``."""
        self.plug_in(router, outside)
        self._make(place)
        inner = address.rpartition(".")[0] + ".1"
        _ip("-n", router, "link", "add", "in", "type", "veth", "peer", "name", "out", "netns", place)
        _ip("-n", router, "address", "add", f"{inner}/24", "dev", "in")
        _ip("-n", router, "link", "set", "in", "up")
        _ip("-n", place, "address", "add", f"{address}/24", "dev", "out")
        _ip("-n", place, "link", "set", "out", "up")
        _ip("-n", place, "route", "add", "default", "via", inner)
        with entered(router):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        _run(*at(router, "nft", "-f", "-"), given=_rules(nat, firewall))

    def move(self, place: str, *, router: str, address: str) -> None:
        """Give a place behind a router another address, as another network or a new lease does."""
        inner = address.rpartition(".")[0] + ".1"
        _ip("-n", place, "address", "flush", "dev", "out")
        _ip("-n", router, "address", "flush", "dev", "in")
        _ip("-n", router, "address", "add", f"{inner}/24", "dev", "in")
        _ip("-n", place, "address", "add", f"{address}/24", "dev", "out")
        _ip("-n", place, "route", "add", "default", "via", inner)

    def move_router(self, router: str, outside: str) -> None:
        """Give a router another address outside, as a provider does each night; nothing old comes back to it."""
        _ip("-n", router, "address", "flush", "dev", "out")
        _ip("-n", router, "address", "add", f"{outside}/24", "dev", "out")

    def cut(self, place: str) -> None:
        """Cut what joins a place, mostly a router, with the world outside."""
        _ip("link", "set", f"o-{place}", "down")

    def mend(self, place: str) -> None:
        """Mend what was cut."""
        _ip("link", "set", f"o-{place}", "up")

    def _make(self, place: str) -> None:
        if Path("/run/netns", place).exists():
            return
        _ip("netns", "add", place)
        _ip("-n", place, "link", "set", "lo", "up")
        with entered(place):
            _quiet_ipv6()


def _quiet_ipv6() -> None:
    """Without IPv6 a connection has one address to try, and which pair wins does not depend on luck."""
    switch = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    if switch.exists():
        switch.write_text("1")


def _rules(nat: Nat, firewall: Firewall) -> str:
    """Return a router's rules. What comes from outside unasked is dropped before the kernel remembers it.

    Answered by "no such port" it would be remembered, and our own first packet to the same address be given another
    port for that: holes could never be punched, which routers for homes and schools do allow.
    """
    masquerade = "masquerade random,fully-random" if nat == "symmetric" else "masquerade"
    forward = {
        "open": "",
        "no-udp": "meta l4proto udp drop",
        "only-443": "iifname in tcp dport != 443 drop\niifname in meta l4proto != tcp drop",
    }[firewall]
    return f"""
table ip filter {{
  chain input {{
    type filter hook input priority 0; policy accept;
    iifname out ct state established,related accept
    iifname out drop
  }}
  chain forward {{
    type filter hook forward priority 0; policy accept;
    {forward}
    iifname out ct state established,related accept
    iifname out drop
  }}
}}
table ip nat {{
  chain post {{
    type nat hook postrouting priority 100; policy accept;
    oifname out {masquerade}
  }}
}}
"""


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*argv: str, given: str = "") -> None:
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, env=_environ())
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"


def _environ() -> dict[str, str]:
    return {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}


def programs(argv: Sequence[str]) -> list[str]:
    """Return a command with its program's full path: servers lie where a user's PATH does not lead."""
    return [need(argv[0], argv[0]), *argv[1:]]
