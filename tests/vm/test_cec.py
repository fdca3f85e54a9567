"""The CEC driver on a real kernel's adapters (vivid) in a virtual machine, before a television that follows."""

from __future__ import annotations

import pytest

from tests.vm.conftest import Report

pytestmark = pytest.mark.alone


@pytest.mark.vm
@pytest.mark.timeout(600)  # it may be the one that boots, and the first time with the fetching of a kernel
def test_a_television_on_a_kernels_adapter_goes_to_standby_and_comes_back(report: Report) -> None:
    seen = report("guest_cec")
    assert seen["first"][-1] == "on"
    assert seen["off"][-1] == "standby"
    assert seen["on"][-1] == "on"
    assert seen["absent"][0] == "DeviceNotFoundError"
    assert "/dev/cec7" in seen["absent"][1]
