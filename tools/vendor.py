"""Copy the libraries that pages load from ``node_modules`` into ``web/vendor`` and write its manifest.

Run it after ``npm ci`` whenever a version in package.json changes: ``python tools/vendor.py``. The manifest has one
line per file: file, package, version, licence, SHA-256. A test reads it back and compares.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "web" / "vendor"
FONT = "@fontsource/atkinson-hyperlegible-next"
FONT_FILES = "files/atkinson-hyperlegible-next"

FILES: dict[str, tuple[str, str]] = {
    "preact.mjs": ("preact", "dist/preact.mjs"),
    "preact-hooks.mjs": ("preact", "hooks/dist/hooks.mjs"),
    "preact.LICENSE": ("preact", "LICENSE"),
    "signals.mjs": ("@preact/signals", "dist/signals.mjs"),
    "signals.LICENSE": ("@preact/signals", "LICENSE"),
    "signals-core.mjs": ("@preact/signals-core", "dist/signals-core.mjs"),
    "signals-core.LICENSE": ("@preact/signals-core", "LICENSE"),
    "htm.mjs": ("htm", "dist/htm.mjs"),
    "htm-preact.mjs": ("htm", "preact/index.mjs"),
    "htm.LICENSE": ("htm", "LICENSE"),
    "atkinson-400.woff2": (FONT, f"{FONT_FILES}-latin-400-normal.woff2"),
    "atkinson-700.woff2": (FONT, f"{FONT_FILES}-latin-700-normal.woff2"),
    "atkinson.LICENSE": (FONT, "LICENSE"),
}
"""Vendored file → package and its path inside the package."""


def main() -> int:
    """Copy every file and write the manifest; return the exit status."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, (package, path) in sorted(FILES.items()):
        home = ROOT / "node_modules" / package
        source = home / path
        if not source.is_file():
            sys.stderr.write(f"{package} is not installed, or has no {path}: run npm ci first\n")
            return 1
        about = json.loads((home / "package.json").read_text(encoding="utf-8"))
        shutil.copyfile(source, VENDOR / name)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        lines.append("\t".join((name, package, about["version"], about["license"], digest)))
    for stray in {path.name for path in VENDOR.iterdir()} - set(FILES) - {"MANIFEST"}:
        (VENDOR / stray).unlink()
    (VENDOR / "MANIFEST").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
