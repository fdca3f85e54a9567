"""In the virtual machine: open the v4l2 driver on vivid, count pictures, unplug, lose, plug in, open again.

Prints one JSON object with what was seen; the test on the host judges it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from agent.devices import hdmi
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedPicture
from agent.devices.v4l2 import V4l2Config, driver
from protocol.errors import DeviceError, DeviceLostError
from tests.vm import guest_plugs, guest_sound

VIVID = Path("/sys/bus/platform/drivers/vivid")
COUNTED_S = 3.0


def device() -> Path:
    """Return vivid's video node; it may get another number when it comes back."""
    return sorted(Path("/dev").glob("video*"))[0]


def config(path: Path) -> V4l2Config:
    return V4l2Config(path=path, width_px=640, height_px=360, focus="auto", controls={"brightness": 99, "gain": 1000})


async def refusal(host: CaptureHost, device_id: str, path: Path) -> dict[str, str]:
    """Return how opening is refused."""
    try:
        async with host.open_picture(driver, device_id, V4l2Config(path=path)):
            return {"error": "none"}
    except DeviceError as error:
        return {"error": type(error).__name__, "message": error.message}


async def lose(camera: CapturedPicture) -> dict[str, object]:
    """Unplug the camera; return how and how soon the agent learns of it."""
    started_s = time.monotonic()
    # The kernel's own unplugging. It waits until the last user has closed, so it has a thread of its own.
    unbind = asyncio.create_task(asyncio.to_thread((VIVID / "unbind").write_text, "vivid.0"), name="unplug")
    try:
        async with asyncio.timeout(10):
            while True:
                await camera.next_frame()
    except DeviceLostError as error:
        return {"message": error.message, "took_s": time.monotonic() - started_s}
    finally:
        await unbind


def say(what: str) -> None:
    """Tell whoever reads the log of a failed run how far it came."""
    sys.stderr.write(f"{time.monotonic():.1f} s: {what}\n")


async def main() -> None:
    seen: dict[str, object] = {"kernel": os.uname().release}
    host = guest_plugs.PatientHost([driver, hdmi.driver])
    path = device()
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(host.run(), name="capture host")
        say("opening")
        async with host.open_picture(driver, "front", config(path)) as camera:
            say("open")
            seen["settings"], seen["notes"] = dict(camera.info.settings), camera.info.notes
            asked = ["v4l2-ctl", "--device", str(path), "--get-ctrl", "brightness"]
            seen["v4l2-ctl"] = (await asyncio.to_thread(subprocess.check_output, asked, text=True)).strip()
            seen["name"], seen["size"] = camera.info.name, [camera.info.width_px, camera.info.height_px]
            frame = await camera.next_frame()
            until_s, pictures = time.monotonic() + COUNTED_S, 0
            while time.monotonic() < until_s:
                frame = await camera.next_frame()
                pictures += 1
            seen["rate_hz"], seen["contrast"] = pictures / COUNTED_S, float(frame.image.std())
            say("counted")
            seen["second"] = await refusal(host, "again", path)
            say("refused a second opening")
            await camera.next_frame()
            seen["lost"] = await lose(camera)
            say("lost")
        seen["away"] = await refusal(host, "front", path)
        say("refused while unplugged")
        await asyncio.to_thread((VIVID / "bind").write_text, "vivid.0")
        started_s = time.monotonic()
        async with host.open_picture(driver, "front", config(device())) as camera:
            await camera.next_frame()
            seen["back_after_s"] = time.monotonic() - started_s
        say("back")
        seen["camera"] = await guest_plugs.camera(host)
        say("plugged in elsewhere")
        seen["capture_card"] = await guest_plugs.capture_card(host)
        say("saw a card without a signal")
        run.cancel()
    seen["sockets"] = await asyncio.to_thread(guest_plugs.sockets)
    say("plugged into other sockets")
    seen["microphone"] = await guest_sound.microphone()
    say("heard")
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
