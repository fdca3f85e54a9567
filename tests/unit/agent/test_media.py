"""What frames go through on their way out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agent.media import Frame, FrameFilter, FrameFilters

FRAME = Frame(np.zeros((3, 2), np.uint8), 2, 2, 0.0, 0)


def test_what_enlarges_comes_after_all_that_hides_whenever_that_comes() -> None:
    """A mask that met an enlarged picture would hide the wrong place."""
    filters, ran = FrameFilters(), list[str]()

    def noting(name: str) -> FrameFilter:
        def note(frame: Frame) -> Frame:
            ran.append(name)
            return frame

        return note

    filters.add(noting("crop"), is_last=True)
    filters.add(noting("mask"))
    take_out = filters.add(noting("corner"))
    filters.apply(FRAME)
    take_out()
    filters.apply(FRAME)
    assert ran == ["mask", "corner", "crop", "mask", "crop"]


def test_a_filter_taken_out_meanwhile_lets_no_other_be_skipped() -> None:
    filters = FrameFilters()

    def leaving(frame: Frame) -> Frame:
        take_out()
        return frame

    take_out = filters.add(leaving)
    filters.add(lambda frame: replace(frame, sequence=7))
    assert filters.apply(FRAME).sequence == 7
