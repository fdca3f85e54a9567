"""Make what others read from the models: JSON Schema, TypeScript declarations, the tables of docs/protocol.md.

``python -m protocol.schema --write`` writes them; ``--check`` exits 1 and names what is stale.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from protocol import (
    channel,
    diagram,
    facts,
    messages,
    numbers,
    pages,
    panel,
    panel_requests,
    remote,
    settings,
    timetable,
    trust,
    wire,
)
from protocol.errors import CODES
from protocol.lesson import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
_BASES = {"Wire", "Args", "Body"}
_MODULES = (wire, facts, numbers, settings, timetable, trust, remote, messages, channel, pages, panel, panel_requests)
_PROTOCOL_MARK = ("<!-- made by protocol/schema.py: begin -->", "<!-- made by protocol/schema.py: end -->")


def models() -> list[type[BaseModel]]:
    """Return every model of the contract, in the order they are written."""
    found: list[type[BaseModel]] = []
    for module in _MODULES:
        for name, value in vars(module).items():
            if (
                inspect.isclass(value)
                and issubclass(value, BaseModel)
                and value.__module__ == module.__name__
                and name not in _BASES
            ):
                found.append(value)
    return found


def json_schema() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) that holds every model under ``$defs``."""
    _, schema = models_json_schema([(model, "serialization") for model in models()], ref_template="#/$defs/{model}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Estrade protocol", **schema}


def _type(schema: Mapping[str, Any]) -> str:
    """Return the TypeScript type of one JSON Schema."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(_type(part) for part in schema[key]))
    kind = schema.get("type")
    if kind == "array":
        item = _type(schema.get("items", {}))
        return f"({item})[]" if "|" in item else f"{item}[]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, Mapping) else 'unknown'}>"
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        str(kind), "unknown"
    )


def _comment(text: str, indent: str) -> list[str]:
    line = " ".join(text.split())
    return [f"{indent}/** {line} */"] if line else []


def declarations() -> str:
    """Return ``web/lib/protocol.d.ts``: one type per model, as a page receives it."""
    lines = ["// Made by protocol/schema.py from the models of protocol/. Do not edit.", ""]
    bodies = {model.__name__ for model in models() if issubclass(model, pages.Body)}
    for name, schema in sorted(json_schema()["$defs"].items()):
        lines += _comment(str(schema.get("description", "")).split("\n\n")[0], "")
        if "properties" not in schema:
            lines += [f"export type {name} = {_type(schema)};", ""]
            continue
        lines.append(f"export interface {name} {{")
        required = set(schema.get("required", ()))
        for field, field_schema in schema["properties"].items():
            lines += _comment(str(field_schema.get("description", "")), "  ")
            optional = "?" if name in bodies and field not in required else ""
            lines.append(f"  {field}{optional}: {_type(field_schema)};")
        lines += ["}", ""]
    codes = " | ".join(json.dumps(code) for code in CODES)
    lines += ["/** Every stable error code. */", f"export type ErrorCode = {codes};", ""]
    return "\n".join(lines)


def tables() -> str:
    """Return the part of docs/protocol.md that is made: the lesson's table and the error codes."""
    lines = [
        "## The lesson's table",
        "",
        "![The lesson's states](lesson-states.svg)",
        "",
        "| in state | event | becomes |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{state}` | `{event}` | `{to}` |" for state, row in TRANSITIONS.items() for event, to in row.items()]
    lines += ["", "## Commands and requests", "", "| topic | arguments |", "| --- | --- |"]
    lines += [f"| `cmd/{name}` | `{model.__name__}` |" for name, model in messages.COMMANDS.items()]
    lines += [f"| `req/{name}` | `{model.__name__}` |" for name, model in messages.REQUESTS.items()]
    lines += ["", "## Error codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    return "\n".join(lines)


def _protocol_page(page: str) -> str:
    begin, end = _PROTOCOL_MARK
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{tables()}\n\n{end}{tail or chr(10)}"


def artefacts() -> dict[Path, str]:
    """Return path and text of every file that is made from the models."""
    page = ROOT / "docs" / "protocol.md"
    current = page.read_text(encoding="utf-8") if page.exists() else "# Protocol\n\n"
    return {
        ROOT / "docs" / "protocol.schema.json": json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
        ROOT / "web" / "lib" / "protocol.d.ts": declarations(),
        page: _protocol_page(current),
        ROOT / "docs" / "lesson-states.svg": diagram.svg(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the made files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m protocol.schema", description=__doc__)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--write", action="store_true", help="write the files")
    act.add_argument("--check", action="store_true", help="exit 1 if one of them is stale")
    write = parser.parse_args(argv).write
    stale = [
        path for path, text in artefacts().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(artefacts()[path], encoding="utf-8")
        verb = "wrote" if write else "stale, run python -m protocol.schema --write:"
        sys.stdout.write(f"{verb} {path.relative_to(ROOT)}\n")
    return 0 if write or not stale else 1


if __name__ == "__main__":
    sys.exit(main())
