"""Tests share browser profiles, not what a page keeps there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.pages.conftest import OpenPage
from tests.browser.pages.stub import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_KEPT_JS = """async () => [
  localStorage.length, document.cookie, navigator.onLine,
  (await navigator.permissions.query({ name: 'clipboard-read' })).state]"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with PageServer("screen").running() as server:
        yield server.url


@pytest.mark.parametrize("turn", [1, 2])
async def test_what_a_page_kept_is_gone_for_the_next_test(open_page: OpenPage, address: str, turn: int) -> None:
    page = await open_page(address)
    assert await page.evaluate(_KEPT_JS) == [0, "", True, "prompt"]
    await page.evaluate("localStorage.setItem('kept', '1'), document.cookie = 'kept=1'")
    await page.context.grant_permissions(["clipboard-read"])
    await page.context.set_offline(True)
    assert await page.evaluate(_KEPT_JS) == [1, "kept=1", False, "granted"]
