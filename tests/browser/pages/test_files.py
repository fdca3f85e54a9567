"""Rules for the files of `web/` that need no browser: words, vendored libraries, syntax, policy."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from agent import camera_words
from protocol.errors import CODES
from tests.browser.pages.stub import WEB
from tests.peers import missing, need
from web.csp import policy

ROOT = WEB.parent
HERE = Path(__file__).parent
LANGUAGES = ("fr", "en")
PAGES = ("pupil", "panel", "it", "shared", "screen")

NOT_SHOWN = {
    "method-not-allowed",
    "unsupported-media-type",
    "token-expired",
    "relay-off",
    "pki-missing",
    "pki-unusable",
    "csr-invalid",
    "database-unusable",
    "port-taken",
    "centre-unreachable",
    "already-running",
    "no-network",
    "not-ready",
    "program-missing",
    "share-offset",
    "helper-failed",
    "helper-not-there",
    "helper-bad-request",
    "helper-refused",
    "helper-too-often",
    "helper-lesson-runs",
    "issuer-failed",
    "issuer-not-there",
    "issuer-bad-request",
    "issuer-refused",
    "issuer-too-often",
}
"""Codes told to whoever starts a program, to a program with a token, to a foreign player, by root's helper to the
agent, or by the issuer to the controller; no page shows them."""
OF_PAGES = {
    "network",
    "timeout",
    "answer-invalid",
    "browser-too-old",
    "code-note",
    "share-key",
    "share-insecure",
    "screen-code-short",
    "screen-left",
    "screen-refused",
    "screen-failed",
    "screen-no-codec",
}
"""Keys under ``error.`` that the pages make themselves."""


def _pairs(language: str) -> list[tuple[str, str]]:
    catalogues = (WEB / "i18n" / f"{name}{language}.json" for name in ("", "panel.", "screen."))
    return [
        pair for path in catalogues for pair in json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    ]


def _words(language: str) -> dict[str, str]:
    return dict(_pairs(language))


def _sources(*folders: str, ext: str = "js") -> list[Path]:
    return sorted(path for folder in folders for path in (WEB / folder).glob(f"*.{ext}"))


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    def placeholders(words: dict[str, str]) -> dict[str, set[str]]:
        return {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in words.items()}

    assert placeholders(_words("fr")) == placeholders(_words("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty_or_said_twice_under_one_key(language: str) -> None:
    pairs = _pairs(language)
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys))
    assert [key for key, text in pairs if not text.strip()] == []


def test_french_keeps_its_spaces_before_double_punctuation() -> None:
    assert [key for key, text in _words("fr").items() if re.search(r" [;:?!»]|« ", text)] == []


def test_every_error_a_page_can_show_has_its_words() -> None:
    """A new code gets ``error.{code}`` in both catalogues, or a place in NOT_SHOWN."""
    told = {key.removeprefix("error.") for key in _words("fr") if key.startswith("error.")}
    assert told - OF_PAGES == set(CODES) - NOT_SHOWN


def test_every_key_that_a_page_names_has_its_words() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in _sources("lib", *PAGES))
    html = "\n".join((WEB / page / "index.html").read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"""\b(?:words\.)?t\(\s*'([a-z0-9.+-]+[a-z0-9])'\s*[,)]""", text))
    named |= set(re.findall(r'data-i18n(?:-label)?="([^"]+)"', html))
    plural = set(re.findall(r"""\btn\(\s*'([a-z.+-]+)'""", text))
    named |= {f"{key}.{form}" for key in plural for form in ("one", "other")}
    assert len(named) > 100
    assert named - set(_words("fr")) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_check_names_the_panels_buttons_as_the_panel_does(language: str) -> None:
    words = _words(language)
    for button in ("panel.camera.aim", "panel.check"):
        assert words[button] in getattr(camera_words.LOOK, language)
        assert button == "panel.check" or words[button] in words["panel.cover.look"]


def test_the_pupils_page_comes_with_the_french_words_of_the_catalogue() -> None:
    """It is read before its script has loaded."""
    html = (WEB / "pupil" / "index.html").read_text(encoding="utf-8")
    words = _words("fr")
    said = re.findall(r'data-i18n="([^"]+)"[^>]*>([^<]+)<', html)
    assert len(said) > 20
    assert [(key, text) for key, text in said if text.replace("\u00a0", " ") != words[key].replace("\u00a0", " ")] == []


def test_vendored_files_are_those_of_the_manifest_and_of_the_lock() -> None:
    vendor = WEB / "vendor"
    lines = [line.split("\t") for line in (vendor / "MANIFEST").read_text(encoding="utf-8").splitlines()]
    assert {name for name, *_ in lines} == {path.name for path in vendor.iterdir()} - {"MANIFEST"}
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    for name, package, version, licence, digest in lines:
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
        assert version == wanted[package] == locked[f"node_modules/{package}"]["version"], name
        assert licence == locked[f"node_modules/{package}"]["license"], name
    packages = {package for _, package, *_ in lines}
    assert {package for name, package, *_ in lines if name.endswith(".LICENSE")} == packages


def test_the_lock_names_no_address_and_every_version_is_pinned() -> None:
    lock = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert [version for version in wanted.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_the_pupils_page_and_the_library_are_es2020_with_relative_imports() -> None:
    """A browser of 2020 neither parses a class field nor knows an import map."""
    node = need("node", "nodejs")
    if not (ROOT / "node_modules" / "acorn").is_dir():
        missing("acorn is missing; it comes with: npm ci")
    files = [str(path) for path in _sources("lib", "pupil")]
    ran = subprocess.run([node, str(HERE / "syntax.mjs"), *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["problems"] == []
    assert found["parsed"] == len(files) >= 10
    imports: dict[str, list[str]] = found["imports"]
    assert {name for names in imports.values() for name in names if not name.startswith(("./", "../"))} == set()
    assert "importmap" not in (WEB / "pupil" / "index.html").read_text(encoding="utf-8")


def test_the_syntax_check_refuses_what_is_newer() -> None:
    node = need("node", "nodejs")
    ran = subprocess.run(
        [node, str(HERE / "syntax.mjs"), "-"], input="class A { #x = 1 }", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)["problems"]) == 1


def test_the_library_knows_no_page() -> None:
    for path in _sources("lib"):
        assert not re.search(r"\bdocument\.|\bwindow\.", path.read_text(encoding="utf-8")), path.name


def test_no_page_makes_elements_from_text_or_runs_inline_code() -> None:
    for path in _sources("lib", *PAGES):
        assert not re.search(r"\binnerHTML|outerHTML|insertAdjacentHTML|\beval\(", path.read_text(encoding="utf-8")), (
            path
        )
    for page in PAGES:
        html = (WEB / page / "index.html").read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", html), page
        assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*importmap)", html) == [], page


def test_the_policy_covers_this_very_import_map_and_no_other() -> None:
    html = (WEB / "panel" / "index.html").read_text(encoding="utf-8")
    assert policy(html).count("'sha256-") == 1
    assert policy(html) != policy(html.replace("preact.mjs", "other.mjs"))
    assert "'sha256-" not in policy((WEB / "pupil" / "index.html").read_text(encoding="utf-8"))
    assert "unsafe" not in policy(html)


def test_the_library_does_what_it_says() -> None:
    """Runs ``lib.test.mjs`` with Node's own runner."""
    node = need("node", "nodejs")
    ran = subprocess.run([node, "--test", str(HERE / "lib.test.mjs")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_pupils_page_is_light() -> None:
    """All it loads, compressed, with one language: a phone on a thin line waits for each kilobyte."""
    import gzip

    files = [*_sources("pupil"), *(path for path in _sources("lib") if path.name != "icons.js")]
    files += [WEB / "css" / f"{name}.css" for name in ("tokens", "base", "pupil")]
    files += [WEB / "pupil" / "index.html", WEB / "i18n" / "fr.json"]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 80_000
