"""The bar of the lamp, against times that are written down here."""

from __future__ import annotations

from benchmarks.lamp import missed

SOON, LATE = {"p50": 1.0, "p95": 3.0, "most": 4.0, "n": 10}, {"p50": 1.0, "p95": 3.01, "most": 4.0, "n": 10}


def test_the_bar_is_for_the_model_and_for_the_real_page_in_each_browser() -> None:
    real = {"chromium": {"muted": SOON, "back": SOON}, "firefox": {"muted": SOON, "back": LATE}}
    assert missed({"told_p95_s": 3.0, "real_told_s": real}) == ["real_told_s firefox back"]
    assert missed({"told_p95_s": 3.01}) == ["told_p95_s"]
