"""Makes the room's normal state of some recorded seconds, in a thread, and keeps it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import datetime

from agent.baselines import Baselines
from agent.health.baseline import CameraBaseline, SoundBaseline
from agent.health_settings import HealthSettings
from agent.watched import Recorded
from protocol.errors import DeviceError, DeviceNotFoundError, DeviceNotNowError
from protocol.messages import DeviceRole

log = logging.getLogger(__name__)


async def record(
    recorded: Mapping[str, Recorded],
    loop_gains_db: Mapping[str, float | None],
    baselines: Baselines,
    settings: HealthSettings,
    preset: str | None,
    thread: Executor,
    at: datetime,
) -> None:
    """Keep what is normal for each device. Raises the first DeviceError, after what could be made was kept.

    ``loop_gains_db`` is how loud each microphone hears the loudspeaker; of one that is not in it, it stays as it was.
    """

    def make() -> DeviceError | None:
        cameras: dict[str, CameraBaseline] = {}
        microphones: dict[str, SoundBaseline] = {}
        failed: DeviceError | None = None
        for id, one in recorded.items():
            try:
                if one.choice.role is DeviceRole.CAMERA and preset is None:
                    raise DeviceNotNowError(
                        "the camera stands on none of its presets; send it to one, then record again"
                    )
                if one.choice.role is DeviceRole.CAMERA:
                    cameras[id] = CameraBaseline.of(one.frames, at)
                else:
                    has_switch = bool(settings.microphone_has_switch)
                    known = baselines.microphone(id)
                    gain_db = loop_gains_db.get(id, None if known is None else known.loop_gain_db)
                    microphones[id] = SoundBaseline.of(one.blocks, at, has_switch=has_switch, loop_gain_db=gain_db)
            except DeviceError as error:
                failed = failed or error
        if cameras or microphones:
            try:
                baselines.keep(cameras, microphones, preset=preset or "")
            except OSError as error:
                log.error("The room's normal state cannot be kept on disk", extra={"reason": str(error)})
                reason = "the room's normal state counts until the agent ends, for the disk takes nothing; see the disk"
                failed = failed or DeviceError(reason, code="disk-failed", retryable=True)
        return failed

    if not recorded:
        raise DeviceNotFoundError("no camera and no microphone works just now; nothing can be recorded of the room")
    failed = await asyncio.get_running_loop().run_in_executor(thread, make)
    if failed is not None:
        raise failed
    log.info("The room's normal state is recorded", extra={"devices": ", ".join(recorded), "preset": preset})
