"""The documents keep their form, their links lead somewhere, and both languages say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from agent.health.specs import SPECS

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "web").glob("*.md")])
ADRS = sorted((ROOT / "docs/adr").glob("*.md"))
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> list[tuple[int, str]]:
    """Return level and text of each heading."""
    return [(len(marks), text) for marks, text in re.findall(r"(?m)^(#+) (.+)$", prose(page))]


def anchor(heading: str) -> str:
    """Return a heading's anchor as forges make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if fragment and target.suffix == ".md":
            assert fragment in {anchor(text) for _, text in headings(target)}, link


def test_paths_that_the_readmes_name_exist() -> None:
    for page in ("README.md", "README.fr.md", "CONTRIBUTING.md"):
        for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", prose(ROOT / page)):
            assert (ROOT / name).exists(), f"{page}: {name}"


def test_every_check_has_a_row_and_a_name() -> None:
    named = set(
        re.findall(r"(?m)^  '?([\w-]+)'?: \{ fr:", (ROOT / "web/it/check_names.js").read_text(encoding="utf-8"))
    )
    assert named >= set(SPECS)
    rows = [
        line for line in (ROOT / "docs/checks.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    in_rows = {name for row in rows for name in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", row)}
    assert named <= in_rows


def test_files_that_operations_install_exist() -> None:
    for page in ("en.md", "fr.md"):
        text = (ROOT / "docs/operations" / page).read_text(encoding="utf-8")
        named = set(re.findall(r"(?<![\w/])(deploy/[\w./@*-]+[\w*])", text))
        assert len(named) > 15
        for name in named:
            assert list(ROOT.glob(name)), f"{page}: {name}"


@pytest.mark.parametrize(
    ("french", "english"), [("README.fr.md", "README.md"), ("docs/operations/fr.md", "docs/operations/en.md")]
)
def test_both_languages_have_the_same_parts_and_the_same_commands(french: str, english: str) -> None:
    pages = ROOT / french, ROOT / english
    assert [level for level, _ in headings(pages[0])] == [level for level, _ in headings(pages[1])]
    blocks = [_FENCE.findall(page.read_text(encoding="utf-8")) for page in pages]
    assert blocks[0] == blocks[1]
    rows = [len(re.findall(r"(?m)^\|", prose(page))) for page in pages]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.name)
def test_a_decision_says_context_options_choice_and_cost(page: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page.name)
    found = headings(page)
    assert re.fullmatch(rf"{page.name[:4]}[:.]? \S.*", found[0][1])
    wanted = ["Context", "Options", "Choice", "Cost"]
    assert [text for level, text in found if level == 2 and text in wanted] == wanted


def test_no_two_decisions_have_one_number() -> None:
    numbers = [page.name[:4] for page in ADRS]
    assert len(set(numbers)) == len(numbers) > 0


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    table = (ROOT / "docs/adr/0001-layout-and-dependencies.md").read_text(encoding="utf-8").lower()
    cells = {name.strip() for row in re.findall(r"(?m)^\| ([^|]+) \|", table) for name in row.split(",")}
    wanted = {re.split(r"[\[<>=~!;]", requirement)[0].strip().lower() for requirement in listed}
    assert wanted - cells == set()


def test_the_changelog_keeps_its_form() -> None:
    found = headings(ROOT / "CHANGELOG.md")
    assert found[0] == (1, "Changelog")
    releases = [text for level, text in found if level == 2]
    assert releases[0] == "[Unreleased]"
    for release in releases[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", release)
    kinds = {text for level, text in found if level == 3}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
