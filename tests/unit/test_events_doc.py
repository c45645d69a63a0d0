"""docs/events.md says what the code sends: every event, every field, and examples that are such events."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.domain.events import MAX_WAITING, SOURCE, ConnectionChanged, EventType, RotationEnded

DOC = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
EXAMPLES = {
    title: json.loads(block)
    for title, block in re.findall(r"### `([^`]+)`\n.*?```json\n(.*?)```", DOC, flags=re.DOTALL)
}
SCHEMAS: dict[str, type[ConnectionChanged | RotationEnded]] = {
    "connection": ConnectionChanged,
    "rotation": RotationEnded,
}


def kind_of(schema: dict[str, Any], field: dict[str, Any]) -> tuple[str, bool]:
    """A field's type as the document words it, and whether it may be null."""
    options = field.get("anyOf", [field])
    first = options[0]
    if "$ref" in first:
        named = schema["$defs"][first["$ref"].rsplit("/", 1)[1]]
        return ", ".join(f"`{value}`" for value in named["enum"]), len(options) > 1
    return first.get("format") or first["type"], len(options) > 1


def test_every_event_has_its_example_under_its_name() -> None:
    assert list(EXAMPLES) == [kind.value for kind in EventType]
    assert all(example["type"] == title for title, example in EXAMPLES.items())


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_is_such_an_event(title: str) -> None:
    example = EXAMPLES[title]
    data = example["data"]
    assert SCHEMAS[title.split(".", maxsplit=1)[0]].model_validate(data).model_dump(mode="json") == data
    assert re.fullmatch(r"\d{10}", example["sequence"])
    assert (example["specversion"], example["source"]) == ("1.0", SOURCE)
    assert example["subject"] == f"organizations/{data['orgId']}/connections/{data['connectionId']}"


@pytest.mark.parametrize("prefix", SCHEMAS)
def test_the_table_of_fields_is_the_schema(prefix: str) -> None:
    part = DOC.split(f"`data` of each `{prefix}.` event:")[1].split("\n## ")[0].split("`data` of")[0]
    written = re.findall(r"^\| `(\w+)` \| (.+) \| (yes|no: may be null) \|$", part, flags=re.MULTILINE)
    schema = SCHEMAS[prefix].model_json_schema(mode="serialization")
    fields = {name: kind_of(schema, field) for name, field in schema["properties"].items()}
    assert written == [(name, kind, "no: may be null" if null else "yes") for name, (kind, null) in fields.items()]


def test_the_bound_in_the_document_is_the_bound() -> None:
    assert f"{MAX_WAITING:,} characters" in DOC
