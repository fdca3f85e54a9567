"""What may be shown of the camera: on which view it stands, whether somebody found that view right, what is masked.

ADR 0008 has the reasons. A *guarded* view is one that must not be shown unless it is what somebody in the room looked
at: the preset *class*, and where there are masks every preset. It is shown only while the camera is known to stand
there, within two seconds of its last word; until then, and while it turns, pupils get a stand-in in its place. A camera
that left a guarded view though nobody here told it to, or that does not find it again, was moved: that view has to be
looked at anew. `screen` is the frame filter that keeps all this; it goes before every other.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.camera_moves import PtzChoice
from agent.devices.ptz import Position, PtzInfo
from agent.masks import Mask, Painter
from agent.media import Frame
from agent.view_memory import ViewMemory
from protocol.errors import DeviceNotNowError, DeviceUnsupportedError
from protocol.panel import CoverReason

log = logging.getLogger(__name__)

CLASS = "class"
"""The preset with pupils in the picture."""
FIXED = "camera"
"""The one view of a camera that does not turn."""

LOOK_S = 0.25
"""How often the camera is asked where it looks while that decides what pupils see: so long can a remote control turn it
before it is known here."""
FRESH_S = 2.0
"""A camera that has not said for so long where it looks may look anywhere."""
LATE_S = 0.5
"""What arrives may have been seen by the lens this much earlier: an encoder in the camera and a network lie between."""
SETTLE_S = 1.0
"""A camera that is told to go begins within this, and so one that still stands after it has arrived."""
ASTRAY_S = 10.0
"""A camera that stands for so long elsewhere than it was told to go does not find its view: some tell their new place
only when they are there, and go for seconds."""
SAME_ASPECT = 0.01
"""How far apart two pictures' widths over heights may be. Beyond, the camera shows another part of the room, and a mask
hides another part of that."""
SEEN_S = 60.0
"""Who finds a view right looked at it just now."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is shown of the camera: nothing if ``cover`` says why, else its pictures between two instants, painted."""

    cover: CoverReason | None
    painter: Painter
    since_mono_s: float = -math.inf
    until_mono_s: float = math.inf


class CameraViews:
    """Hears what `CameraMoves` does and finds, and decides. On the loop, but for `screen`.

    ``stand_in`` makes the picture in the camera's place, at a size. ``on_change`` hears of what a person can see.
    """

    def __init__(
        self,
        choice: PtzChoice | None,
        masks: Sequence[Mask],
        memory: ViewMemory,
        stand_in: Callable[[int, int], Frame],
        *,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = memory
        self._stand_in = stand_in
        self._on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self.turns = choice is not None
        self.has_masks = bool(masks)
        self.has_class = choice is not None and choice.class_preset
        names = choice.presets if choice else (FIXED,)
        self._nothing = Painter(())
        self._painters = {name: self._nothing for name in names}
        for name in names:
            if own := [mask for mask in masks if mask.preset == (name if self.turns else None)]:
                self._painters[name] = Painter(own)
        self.is_watched = False
        """Whether a lesson runs, so that it matters at once where the camera looks."""
        self.at: str | None = None if self.turns else FIXED
        """The view on which the camera stands; a guarded one may still have to be looked at."""
        self.heading: str | None = None
        """The view to which it was told to go."""
        self.arrived_mono_s = -math.inf
        self._info: PtzInfo | None = None
        self._is_turning = False
        self._is_blind = False
        """The camera does not tell where it looks."""
        self._is_aimed = False
        """It was turned by hand on the panel since it was last sent anywhere."""
        self._aimed_from: Position | None = None
        """Where it looked when that began; None where it had not said so."""
        self._learned: dict[str, Position] = {}
        """Where views were found that are not guarded; for the mark on the panel."""
        self._place: Position | None = None
        """Where it looked when it arrived at `at`."""
        self._last: Position | None = None
        self._looked_mono_s = -math.inf
        self._told_mono_s = -math.inf
        self._still_mono_s: float | None = None
        self._seen: tuple[str, float, float] | None = None
        """What somebody in the room looked at: the view, when, and the picture's width over its height."""
        self._shown: object = None
        self.sight = Sight("unknown", self._nothing)
        self._judge()
        self._on_change = on_change

    # --- what others ask --------------------------------------------------------------------------------------------

    @property
    def guards(self) -> bool:
        """Whether anything of this camera must not be shown at times."""
        return self.has_masks or self.has_class

    def is_guarded(self, view: str) -> bool:
        return self.has_masks or (view == CLASS and self.has_class)

    def is_right(self, view: str) -> bool:
        """Whether a view may be shown once the camera stands on it."""
        if not self.turns:
            return not self._memory.has_moved(view)
        return not self.is_guarded(view) or self._memory.place(view) is not None

    def has_moved(self, view: str) -> bool:
        """Whether a view is not right any more because the camera was moved."""
        return self._memory.has_moved(view)

    @property
    def can_check(self) -> bool:
        """Whether views can be told apart at all, so that one can be found right."""
        return not self.turns or not self._is_blind

    @property
    def to_check(self) -> str | None:
        """The view that somebody in the room has to look at now; None when there is none."""
        return None if self.at is None or self.is_right(self.at) or not self.can_check else self.at

    def screen(self, frame: Frame) -> Frame:
        """Return what of a camera's picture may leave: masked, or a stand-in. Any thread."""
        is_of_another_shape = self._is_of_another_shape(frame)  # before the sight, which `saw` changes first
        sight = self.sight
        is_in_time = sight.since_mono_s <= frame.captured_mono_s <= sight.until_mono_s
        if sight.cover is None and is_in_time and not is_of_another_shape:
            return sight.painter.paint(frame)
        return frame.with_image(self._stand_in(frame.width_px, frame.height_px).image)

    def saw(self, frame: Frame) -> None:
        """Take in the shape of the camera's pictures: in another one no mask is where it was drawn."""
        if not self.has_masks:
            return
        is_of_another_shape = self._is_of_another_shape(frame)
        if is_of_another_shape:
            self.moved_by_hand()
        if is_of_another_shape or self._memory.aspect is None:
            self._memory.aspect = frame.width_px / frame.height_px

    def _is_of_another_shape(self, frame: Frame) -> bool:
        aspect = self._memory.aspect
        return (
            self.has_masks and aspect is not None and abs(frame.width_px / frame.height_px / aspect - 1) > SAME_ASPECT
        )

    def may_be_framed(self) -> bool:
        """Whether a part of the picture may be shown large: not of a stand-in, and never of one pupil in *class*."""
        return self.sight.cover is None and CLASS not in (self.at, self.heading)

    def can_be_looked_at(self, frame: Frame) -> bool:
        """Whether a picture shows the view on which the camera stands, and not its way there."""
        return self.at is not None and not self._is_turning and frame.captured_mono_s >= self.arrived_mono_s

    def draft(self, frame: Frame) -> Frame:
        """Return a picture with the masks of the view at hand, right or not: for whoever has to say whether it is."""
        assert self.at is not None
        self._seen = (self.at, self._clock(), frame.width_px / frame.height_px)
        return self._painters[self.at].paint(frame)

    def must_be_offered(self, view: str, *, to_check: bool) -> None:
        """Raise why a view is not gone to; ``to_check``: by somebody who will look at it while pupils do not.

        DeviceUnsupportedError ``preset-not-found`` or ``device-unsupported``, DeviceNotNowError ``preset-void``.
        """
        if view != CLASS or self.is_right(view):
            return
        if not self.can_check:
            raise DeviceUnsupportedError("this camera does not say where it looks, so that it can have no preset class")
        if not to_check:
            raise DeviceNotNowError(
                "the camera was moved, or nobody has looked at the preset class yet; look at it first",
                code="preset-void",
            )

    # --- what people say --------------------------------------------------------------------------------------------

    def confirm(self, view: str) -> None:
        """Take it that the view at hand is right: somebody in the room looked at it. Raises DeviceNotNowError."""
        seen = self._seen
        if view != self.at or self._is_turning or seen is None or seen[0] != view:
            raise DeviceNotNowError(f'the view "{view}" has not been looked at; look at its picture first')
        if self._clock() - seen[1] > SEEN_S:
            raise DeviceNotNowError(f'the view "{view}" was looked at too long ago; look at its picture again')
        if self.turns and (self._last is None or self._is_blind):
            raise DeviceNotNowError("the camera does not say where it looks; try again in a moment")
        self._memory.confirm(view, self._last or Position())
        self._memory.aspect = seen[2]
        self._place = self._last
        log.info("A view of the camera was found right", extra={"view": view})
        self._judge()

    def moved_by_hand(self) -> None:
        """Somebody turned the camera itself, so that no view is what it was: what is guarded has to be looked at."""
        views = self._memory.confirmed if self.turns else (FIXED,) if self.has_masks else ()
        if views:
            self._void(*views)
            self._judge()

    # --- what the camera does (`camera_moves.MovesWatcher`) ----------------------------------------------------------

    def connected(self, info: PtzInfo) -> None:
        self._info, self._is_turning, self._is_blind = info, False, "position" not in info.capabilities
        self._is_aimed, self._aimed_from = False, None
        self._forget_place()
        self._judge()

    def lost(self) -> None:
        self._info = None
        self._forget_place()
        self._judge(is_news=True)

    def turning(self) -> None:
        if not self._is_turning:
            self._is_turning, self._aimed_from = True, self._last or self._aimed_from
            self._forget_place()
            self._judge()

    def standing(self) -> None:
        self._is_turning, self._is_aimed = False, True
        if self._is_blind:
            self._memory.may_show_class = False
        self._judge()

    def recalling(self, view: str) -> None:
        self._forget_place()
        self.heading, self._told_mono_s, self._is_aimed = view, self._clock(), False
        if view == CLASS and self.has_class:
            self._memory.may_show_class = True
        self._judge()

    def recalled(self, view: str) -> None:
        self._told_mono_s = self._clock()
        if self._is_blind:
            self._arrive(view, None)

    def recall_failed(self) -> None:
        self.heading = None
        self._judge()

    def stored(self, view: str) -> None:
        self._learned.pop(view, None)
        if self.is_guarded(view):
            self._memory.forget(view, has_moved=False)
        self._forget_place()
        self.heading, self._told_mono_s = view, self._clock()
        if self._is_blind:
            self._arrive(view, None)
        self._judge()

    def look_s(self) -> float:
        """Return how soon the camera should be asked again where it looks."""
        is_settled = self._still_mono_s is not None and self.heading is None
        return LOOK_S if not is_settled or (self.is_watched and self.guards) else math.inf

    def looked(self, place: Position) -> None:
        info, now_s = self._info, self._clock()
        if self._is_turning or info is None:
            return
        before, self._last, self._looked_mono_s = self._last, place, now_s
        self._is_blind = not place.is_whole(info.capabilities)
        if self._is_blind:
            if self.heading is not None:
                self._arrive(self.heading, None)
            self._still_mono_s = now_s
        elif before is None or not place.is_near(before, info.slack):
            self._still_mono_s = None
        elif self._still_mono_s is None:
            self._still_mono_s = now_s
        if self.at is not None:
            if self._place is not None and not place.is_near(self._place, info.slack):
                self._strayed(self.at)
        elif self._still_mono_s is not None and not self._is_blind:
            self._find(place, now_s - max(self._still_mono_s, self._told_mono_s))
        self._judge()

    # --- judging ----------------------------------------------------------------------------------------------------

    def _find(self, place: Position, stands_s: float) -> None:
        """Say on which view the camera stands, once that is certain."""
        assert self._info is not None
        heading, slack = self.heading, self._info.slack
        if heading is None:
            if self._is_aimed and self._aimed_from is not None and not place.is_near(self._aimed_from, slack):
                self._memory.may_show_class = False  # somebody turned it elsewhere, and looks where it looks
            for view in self._painters:
                known = self._known(view)
                if known is not None and place.is_near(known, slack):
                    self._arrive(view, known)
                    return
            return
        known = self._known(heading)
        if known is None:
            if stands_s >= SETTLE_S:
                self._arrive(heading, place)
        elif place.is_near(known, slack):
            self._arrive(heading, known)
        elif stands_s >= ASTRAY_S:
            if self.is_guarded(heading):
                self._void(heading)
            self._arrive(heading, place)

    def _arrive(self, view: str, place: Position | None) -> None:
        self.at, self.heading, self._place = view, None, place
        self.arrived_mono_s = self._clock() + LATE_S
        self._memory.may_show_class = view == CLASS and self.has_class
        if place is not None and not self.is_guarded(view):
            self._learned[view] = place
        self._judge()

    def _strayed(self, view: str) -> None:
        """The camera left a view and nobody here told it to."""
        if self.is_guarded(view):
            self._void(view)
        self._forget_place()

    def _known(self, view: str) -> Position | None:
        return self._memory.place(view) if self.is_guarded(view) else self._learned.get(view)

    def _void(self, *views: str) -> None:
        log.warning("The camera was moved: views have to be looked at again", extra={"views": ", ".join(views)})
        self._memory.forget(*views, has_moved=True)
        self._seen = None

    def _forget_place(self) -> None:
        if self.turns:
            self.at = self.heading = self._place = self._last = self._still_mono_s = self._seen = None

    def _cover(self) -> CoverReason | None:
        """Return why the camera's picture must not be seen; None when it may."""
        at = self.at
        if not self.has_masks and not (self.has_class and self._memory.may_show_class):
            return None
        if at is not None and self.can_check:
            return None if self.is_right(at) else "moved" if self.has_moved(at) else "unchecked"
        if self._info is None or self._is_blind:
            return "unknown"
        return "moving" if self._is_turning or self.heading is not None or self._still_mono_s is None else "adrift"

    def _judge(self, *, is_news: bool = False) -> None:
        cover = self._cover()
        painter = self._painters.get(self.at or "", self._nothing)
        until_s = self._looked_mono_s + FRESH_S if self.turns and self._is_kept_fresh() else math.inf
        before = self.sight
        if cover is None and (before.cover is not None or painter is not before.painter):
            since_s = self.arrived_mono_s if self.turns and self.has_masks else self._clock() + LATE_S
            self.sight = Sight(cover, painter, max(since_s, self._clock()) if self.guards else -math.inf, until_s)
        else:
            self.sight = replace(before, cover=cover, painter=painter, until_mono_s=until_s)
        seen = (cover, self.at, self.heading, self._info is None, self._memory.confirmed)
        if seen != self._shown or is_news:
            self._shown = seen
            self._on_change()

    def _is_kept_fresh(self) -> bool:
        return self.has_masks or (self.has_class and self.at == CLASS)


def made_for(choice: PtzChoice | None, masks: Sequence[Mask]) -> str:
    """Return what names a camera and its masks: findings of others count for nothing."""
    camera = "" if choice is None else f"{choice.driver.name} {choice.config.model_dump_json()} {dict(choice.presets)}"
    named = camera + " ".join(mask.model_dump_json() for mask in masks)
    return hashlib.sha256(named.encode()).hexdigest()
