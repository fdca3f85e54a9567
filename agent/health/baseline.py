"""How a room looks and sounds when all is well: numbers and one edge map, recorded when somebody calibrates it."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import numpy as np
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from agent.health import picture_measures as measures
from agent.health.picture_measures import Floats
from agent.health.sound_measures import of_blocks
from agent.media import BLOCK_S, AudioBlock, Frame
from protocol.errors import DeviceNotNowError

EDGES_WIDTH, EDGES_HEIGHT = measures.SMALL_SIZE
LOOK_S = 0.25
LEAST_LOOKS = 8
LEAST_LIGHT = 60.0
LEAST_SOUND_S = 3.0
GATED_SHARE = 0.2


class CameraBaseline(BaseModel):
    """A camera's picture of the empty, lit room, for one preset. No picture is in it: edges and four numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    made_at: AwareDatetime
    sharpness: float = Field(gt=0, description="fine edges over coarse ones; independent of the light")
    fine_width_px: int = Field(gt=0, description="of the picture whose sharpness that is")
    detail: float = Field(gt=0, description="mean squared gradient over squared light")
    stillness: float = Field(ge=0, description="mean difference of two pictures a quarter of a second apart, levels")
    red_green: float = Field(gt=0, description="red over green of the usual surface")
    blue_green: float = Field(gt=0, description="blue over green of the usual surface")
    edges: Annotated[Base64Bytes, Field(min_length=EDGES_WIDTH * EDGES_HEIGHT, max_length=EDGES_WIDTH * EDGES_HEIGHT)]
    """160 × 90 bytes, row by row: how strong the edge is there."""

    def edge_map(self) -> Floats:
        """Return the edges, 160 × 90, 0 to 1."""
        whole = np.frombuffer(self.edges, np.uint8).reshape(EDGES_HEIGHT, EDGES_WIDTH)
        return whole.astype(np.float32) / np.float32(255)

    @classmethod
    def of(cls, frames: Sequence[Frame], made_at: datetime) -> CameraBaseline:
        """Make it of the pictures of two seconds or more; of the newest 32 that are a quarter of a second apart.

        Raises DeviceNotNowError when they show nothing to compare with: too few, too dark, or without detail.
        """
        looks = list(_apart(frames))[-32:]
        if len(looks) < LEAST_LOOKS:
            raise DeviceNotNowError(
                f"the camera gave pictures of only {len(looks) * LOOK_S:g} s; calibrate again when it has run for 2 s"
            )
        seen = [measures.sight(frame) for frame in looks]
        light = float(np.median([one.mean for one in seen]))
        if light < LEAST_LIGHT:
            raise DeviceNotNowError(
                f"the room is too dark to calibrate the camera (light {light:.0f} of 255); switch the lamps on"
            )
        pairs = list(itertools.pairwise(seen))
        noise = float(np.median([measures.noise_variance(one.small, other.small) for one, other in pairs]))
        small = np.stack([one.small for one in seen]).mean(axis=0).astype(np.float32)
        detail = measures.detail(small, noise / len(seen))
        fine = [measures.fine_grey(frame) for frame in looks[:: len(looks) // 4]]
        sharp = [measures.sharpness(one, other) for one, other in itertools.pairwise(fine)]
        if detail < 200 or not all(one.fine > 0.15 * one.noise for one in sharp):
            raise DeviceNotNowError(
                "the camera sees too little to calibrate it by; point it at the class and take care that it is sharp"
            )
        colours = [measures.colour_balance(frame) for frame in looks[:: len(looks) // 4]]
        edges = measures.edges(measures.gradient(small))
        return cls(
            made_at=made_at,
            sharpness=float(np.median([one.value for one in sharp])),
            fine_width_px=fine[0].shape[1],
            detail=measures.relative_detail(detail, light),
            stillness=float(np.median([measures.difference(one.points, other.points) for one, other in pairs])),
            red_green=float(np.median([red for red, _, _ in colours])),
            blue_green=float(np.median([blue for _, blue, _ in colours])),
            edges=base64.b64encode(np.rint(edges * 255).astype(np.uint8).tobytes()),
        )


def _apart(frames: Sequence[Frame]) -> Iterator[Frame]:
    """Yield frames that are as far apart as looks are."""
    last_s = -LOOK_S
    for frame in frames:
        if frame.captured_mono_s - last_s >= 0.9 * LOOK_S:
            last_s = frame.captured_mono_s
            yield frame


class SoundBaseline(BaseModel):
    """A microphone in the quiet room."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    made_at: AwareDatetime
    noise_floor_dbfs: float = Field(le=0)
    has_switch: bool = Field(default=False, description="it can be muted by a switch of its own")
    is_gated: bool = Field(default=False, description="it sends digital silence of its own while nobody speaks")
    loop_gain_db: float | None = Field(default=None, description="loudspeaker to microphone")

    @classmethod
    def of(
        cls,
        blocks: Sequence[AudioBlock],
        made_at: datetime,
        *,
        has_switch: bool = False,
        loop_gain_db: float | None = None,
    ) -> SoundBaseline:
        """Make it of three seconds or more of the quiet room, its microphone not muted.

        Raises DeviceNotNowError when there is too little of it. Digital silence is a microphone's own: it is gated.
        """
        if len(blocks) * BLOCK_S < LEAST_SOUND_S:
            raise DeviceNotNowError(
                f"the microphone gave only {len(blocks) * BLOCK_S:.1f} s of sound; "
                f"calibrate again when it has run for {LEAST_SOUND_S:g} s"
            )
        levels, _, stillness = of_blocks(np.stack([block.samples for block in blocks]))
        return cls(
            made_at=made_at,
            noise_floor_dbfs=float(np.quantile(levels, 0.1)),
            has_switch=has_switch,
            loop_gain_db=loop_gain_db,
            is_gated=stillness > GATED_SHARE,
        )
