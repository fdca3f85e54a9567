"""What an ONVIF camera's events mean."""

from __future__ import annotations

import pytest

from agent.devices.base import Complaint
from agent.devices.onvif_words import complaint_of


@pytest.mark.parametrize(
    ("topic", "data", "told"),
    [
        ("tns1:VideoSource/SignalLoss", {"State": "true"}, ("no-picture", True)),
        ("VideoSource/tns1:SignalLoss/Channel", {"State": "0"}, ("no-picture", False)),
        ("tns1:VideoSource/ImageTooDark/ImagingService", {"State": "1"}, ("too-dark", True)),
        ("tns1:VideoSource/ImageTooBright/AnalyticsService", {"State": " TRUE "}, ("too-bright", True)),
        ("tns1:VideoSource/ImageTooBlurry/ImagingService", {"State": "false"}, ("blurred", False)),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", {"State": "true"}, ("moved", True)),
        ("tns1:Device/HardwareFailure/TemperatureCritical", {"Critical": "true"}, ("hardware", True)),
        ("tns1:Device/HardwareFailure/StorageFailure", {"Failed": "true", "Disk": "sda"}, ("hardware", True)),
        ("tns1:VideoSource/ImageTooDarkish", {"State": "true"}, None),
        ("tns1:RuleEngine/CellMotionDetector/Motion", {"IsMotion": "true"}, None),
        ("tns1:VideoSource/SignalLoss", {"State": "perhaps"}, None),
        ("tns1:VideoSource/SignalLoss", {}, None),
        ("", {"State": "true"}, None),
    ],
)
def test_an_event_is_a_complaint_or_nothing(
    topic: str, data: dict[str, str], told: tuple[Complaint, bool] | None
) -> None:
    assert complaint_of(topic, data) == told
