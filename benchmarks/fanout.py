"""What it costs to send one lesson to many, per packet that arrives and decrypts, beside aiortc's sender and Janus.

    python -m benchmarks.fanout --viewers 20 --seconds 20 --json
    python -m benchmarks.fanout --viewers 200 --only estrade

720p30 at 1.5 Mb/s and sound, encoded beforehand and played in a circle, leave by three paths in turn: ours, aiortc's
own sender given the same frames, and Janus's streaming plugin given the same packets as RTP. Viewers do ICE, DTLS and
SRTP in a process of their own and never decode; one of them is a Chromium. Cost is the processor time, user and system,
of the sending process tree with all viewers, less that with none, over the packets that arrived. ``veth_rows``: the
same between two network namespaces, over a pair of interfaces that cut no runs of packets for us.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.async_api import Page, async_playwright

from benchmarks.machine import machine, machine_line
from benchmarks.peers import janus
from benchmarks.peers.fan_stream import load
from benchmarks.process_tree import measure
from tests import chromium
from tests.networks.namespaces import at, command_inside, entered
from tests.peers import need

PATHS = ("estrade", "aiortc", "janus")
SETTLE_S = 3.0
"""Key frames of the newcomers, and the first reports."""
STARTS_S = 30.0
CONNECTS_S = 180.0
"""Two hundred handshakes take a processor a while."""
MOST_US, TIMES_LESS = 8.0, 4.0
ROOM_PLACE, PUPILS_PLACE = "room", "pupils"
ROOM_ADDRESS, PUPILS_ADDRESS = "10.77.0.1", "10.77.0.2"
OUR_ADDRESS, OURS_IN_ROOM = "10.78.0.2", "10.78.0.1"
"""Of the link by which we speak for the Chromium to the room; no packet of the lesson takes it."""

Row = dict[str, Any]

_OFFER_JS = """async () => {
  window.pc = new RTCPeerConnection();
  for (const kind of ['audio', 'video']) pc.addTransceiver(kind, {direction: 'recvonly'});
  show();
  await pc.setLocalDescription(await pc.createOffer());
  await gathered();
  return pc.localDescription.sdp;
}"""
_ANSWER_JS = """async (sdp) => {
  window.pc = new RTCPeerConnection();
  show();
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription(await pc.createAnswer());
  await gathered();
  return pc.localDescription.sdp;
}"""
_TAKE_JS = "async (sdp) => pc.setRemoteDescription({type: 'answer', sdp})"
_SHOW_JS = """() => {
window.show = () => {
  const video = document.createElement('video');
  video.autoplay = video.muted = true;
  document.body.append(video);
  pc.ontrack = (event) => { if (event.track.kind === 'video') video.srcObject = new MediaStream([event.track]); };
};
window.gathered = () => new Promise((done) => {
  const look = () => pc.iceGatheringState === 'complete' && done();
  pc.onicegatheringstatechange = look;
  look();
});
}"""
_STATS_JS = """async () => {
  const inbound = [...(await pc.getStats()).values()].filter((one) => one.type === 'inbound-rtp');
  const sum = (name) => inbound.reduce((total, one) => total + (one[name] || 0), 0);
  return {packets: sum('packetsReceived'), lost: sum('packetsLost'), freezes: sum('freezeCount'),
          decoded: sum('framesDecoded')};
}"""


@dataclass(frozen=True, slots=True)
class Bench:
    """What each path is measured with. ``room`` and ``pupils`` are put before commands there."""

    viewers: int
    seconds: float
    host: str
    folder: Path
    program: str
    room: tuple[str, ...] = ()
    pupils: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sending:
    """A path that runs: its process, where viewers go, and how its stream begins anew with a key frame."""

    process: psutil.Process
    whep: str | None
    janus: str | None
    make_key: Callable[[], None]


@asynccontextmanager
async def sending(path: str, bench: Bench) -> AsyncIterator[Sending]:
    """Run one path without any viewer."""
    if path == "janus":
        folder = Path(tempfile.mkdtemp(dir=bench.folder))
        with entered(ROOM_PLACE) if bench.room else nullcontext():
            running = janus.running(folder, bench.host)
            pid, url, player = await running.__aenter__()
        try:
            yield Sending(psutil.Process(pid), None, url, player.make_key)
        finally:
            await running.__aexit__(None, None, None)
        return
    argv = [*bench.room, sys.executable, "-m", "benchmarks.peers.fan_room", path, bench.host]
    room = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert room.stdout is not None
        whep = json.loads(await asyncio.wait_for(room.stdout.readline(), STARTS_S))["whep"]
        yield Sending(psutil.Process(room.pid), whep, None, lambda: None)
    finally:
        room.kill()
        await room.wait()


@asynccontextmanager
async def light_viewers(bench: Bench, given: Sending, count: int) -> AsyncIterator[Row]:
    """Connect viewers that do not decode; count what comes from ``begin`` on; the row has it after the block."""
    where = ["--whep", given.whep] if given.whep else ["--janus", str(given.janus)]
    argv = [*bench.pupils, sys.executable, "-m", "benchmarks.peers.fan_viewers", "--count", str(count), *where]
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    got: Row = {}
    try:
        said = await asyncio.wait_for(process.stdout.readline(), CONNECTS_S)
        assert said, "the viewers were not connected; what they said stands above"
        got["ciphers"] = json.loads(said)["ciphers"]
        got["begin"] = partial(process.stdin.write, b"begin\n")
        yield got
        process.stdin.close()
        got["viewers"] = json.loads(await asyncio.wait_for(process.stdout.read(), CONNECTS_S))["viewers"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def browser_page(bench: Bench) -> AsyncIterator[Page]:
    """Open a Chromium where the pupils are."""
    stack = AsyncExitStack()
    with entered(PUPILS_PLACE) if bench.pupils else nullcontext():
        playwright = await stack.enter_async_context(async_playwright())
        browser = await chromium.launch(playwright, bench.program)
    stack.push_async_callback(browser.close)
    async with stack:
        page = await browser.new_page()
        await page.evaluate(_SHOW_JS)
        yield page


async def watch(page: Page, bench: Bench, given: Sending) -> None:
    """Connect the Chromium and wait for its first pictures."""
    async with httpx.AsyncClient(timeout=STARTS_S) as http:
        if given.whep:
            answer = await http.post(given.whep, content=await page.evaluate(_OFFER_JS))
            answer.raise_for_status()
            await page.evaluate(_TAKE_JS, answer.text)
        else:
            watching = janus.Watching(http, str(given.janus))
            await watching.answer(await page.evaluate(_ANSWER_JS, await watching.offer()))
        given.make_key()
        async with asyncio.timeout(STARTS_S):
            while (await page.evaluate(_STATS_JS))["decoded"] < 10:  # noqa: ASYNC110  # a page tells only when asked
                await asyncio.sleep(0.2)


async def measure_path(path: str, bench: Bench) -> Row:
    """Return a row."""
    async with sending(path, bench) as given:
        await asyncio.sleep(1.0)
        rest = await measure(given.process, min(bench.seconds, 10.0))
        async with browser_page(bench) as page, light_viewers(bench, given, bench.viewers - 1) as got:
            await watch(page, bench, given)
            given.make_key()
            await asyncio.sleep(SETTLE_S)
            before = await page.evaluate(_STATS_JS)
            got.pop("begin")()
            load_there = await measure(given.process, bench.seconds)
            after = await page.evaluate(_STATS_JS)
    return row(path, rest.cpu_percent, load_there.cpu_percent, load_there.seconds, got, before, after)


def row(path: str, rest_percent: float, cpu_percent: float, seconds: float, got: Row, before: Row, after: Row) -> Row:
    """Return what is told of a path."""
    viewers = got["viewers"]
    total = {
        key: sum(viewer[key] for viewer in viewers) for key in ("packets", "lost", "undecrypted", "pictures", "late")
    }
    packets = total["packets"] + after["packets"] - before["packets"]
    return {
        "path": path,
        "viewers": len(viewers) + 1,
        "cipher": ", ".join(got["ciphers"]),
        "packets": packets,
        "cpu_us_per_packet": round((cpu_percent - rest_percent) / 100 * seconds / packets * 1e6, 2),
        "cpu_percent": round(cpu_percent, 1),
        "cpu_percent_without_viewers": round(rest_percent, 1),
        "lost_packets": total["lost"] + after["lost"] - before["lost"],
        "undecrypted_packets": total["undecrypted"],
        "frames_late_percent": round(100 * total["late"] / max(1, total["pictures"]), 2),
        "kept_decoded_percent": round(100 * min(v["decoded"] for v in viewers if v["decoded"] is not None), 1),
        "chromium_freezes": after["freezes"] - before["freezes"],
        "chromium_decoded_hz": round((after["decoded"] - before["decoded"]) / seconds, 1),
    }


# --- two namespaces ---------------------------------------------------------------------------------------------------


def make_places() -> None:
    """Join two places by a pair of interfaces that do no work of the sender's. Inside `command_inside` only."""

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True)

    ip = need("ip", "iproute2")
    run("mount", "-t", "tmpfs", "none", "/run")
    Path("/run/netns").mkdir()
    run(ip, "link", "set", "lo", "up")
    for place in (ROOM_PLACE, PUPILS_PLACE):
        run(ip, "netns", "add", place)
        run(ip, "-n", place, "link", "set", "lo", "up")
    run(ip, "-n", ROOM_PLACE, "link", "add", "out", "type", "veth", "peer", "name", "out", "netns", PUPILS_PLACE)
    for place, address in ((ROOM_PLACE, ROOM_ADDRESS), (PUPILS_PLACE, PUPILS_ADDRESS)):
        run(ip, "-n", place, "address", "add", f"{address}/24", "dev", "out")
        run(ip, "-n", place, "link", "set", "out", "up")
        cut_nothing = [word for feature in ("tx-udp-segmentation", "gso", "tso") for word in (feature, "off")]
        run(*at(place, need("ethtool", "ethtool"), "-K", "out", *cut_nothing))
    run(ip, "link", "add", "ours", "type", "veth", "peer", "name", "ours", "netns", ROOM_PLACE)
    run(ip, "address", "add", f"{OUR_ADDRESS}/24", "dev", "ours")
    run(ip, "-n", ROOM_PLACE, "address", "add", f"{OURS_IN_ROOM}/24", "dev", "ours")
    run(ip, "link", "set", "ours", "up")
    run(ip, "-n", ROOM_PLACE, "link", "set", "ours", "up")
    run(ip, "route", "add", ROOM_ADDRESS, "via", OURS_IN_ROOM)


# --- the run ----------------------------------------------------------------------------------------------------------


async def rows(paths: Sequence[str], bench: Bench, tell: Callable[[str], None]) -> list[Row]:
    """Measure these paths."""
    done = []
    for path in paths:
        found = await measure_path(path, bench)
        tell("  " + ", ".join(f"{key} {value}" for key, value in found.items()))
        done.append(found)
    return done


def missed(found: Sequence[Row]) -> list[str]:
    """Return the bars of the design that these rows miss."""
    by_path = {one["path"]: one for one in found}
    ours = by_path.get("estrade")
    if ours is None:
        return []
    out = [key for key in ("lost_packets", "chromium_freezes") if ours[key]]
    if ours["cpu_us_per_packet"] > MOST_US:
        out.append("cpu_us_per_packet")
    for path in ("aiortc", "janus"):
        if path in by_path and ours["cpu_us_per_packet"] * TIMES_LESS > by_path[path]["cpu_us_per_packet"]:
            out.append(f"times_less_than_{path}")
    return out


async def run(given: argparse.Namespace, tell: Callable[[str], None]) -> Row:
    """Measure what was asked for; return what --json prints."""
    found = machine()
    paths = given.only or list(PATHS)
    program = need(chromium.PROGRAM, chromium.PACKAGE)
    await asyncio.to_thread(load)
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as folder:
        if given.inside:
            make_places()
            room, pupils = tuple(at(ROOM_PLACE)), tuple(at(PUPILS_PLACE))
            bench = Bench(given.viewers, given.seconds, ROOM_ADDRESS, Path(folder), program, room, pupils)
            return {"rows": await rows(paths, bench, tell)}
        tell(machine_line(found))
        bench = Bench(given.viewers, given.seconds, "127.0.0.1", Path(folder), program)
        plain = await rows(paths, bench, tell)
    veth = [] if given.no_veth else await asyncio.to_thread(veth_rows, given, paths, tell)
    return {
        "benchmark": "fanout",
        "machine": found,
        "viewers": given.viewers,
        "seconds": given.seconds,
        "rows": plain,
        "veth_rows": veth,
        "bars_missed": missed(plain) + [f"veth_{key}" for key in missed(veth)],
    }


def veth_rows(given: argparse.Namespace, paths: Sequence[str], tell: Callable[[str], None]) -> list[Row]:
    """Run ourselves in namespaces, and return the rows from there."""
    tell("… between two namespaces")
    arguments = ["--inside", "--viewers", str(given.viewers), "--seconds", str(given.seconds)]
    for path in paths:
        arguments += ["--only", path]
    done = subprocess.run(
        command_inside("benchmarks.fanout", *arguments), stdout=subprocess.PIPE, text=True, check=True
    )
    *told, last = done.stdout.splitlines()
    for line in told:
        tell(line)
    found: list[Row] = json.loads(last)["rows"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__.split("\n\n")[0])
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which each path is watched")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=PATHS, help="measure this path alone; can be repeated")
    parser.add_argument("--no-veth", action="store_true", help="leave the two namespaces out")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    result = asyncio.run(run(given, lambda line: print(line, flush=True)))
    if given.json or given.inside:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
