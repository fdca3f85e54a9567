"""Inputs that nobody thought of. The same ones at each run, so that a red run is a change of ours and not of chance."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "estrade",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("estrade")
