"""Spotify's published contract as JSON Schema: `../shared/spotify_openapi.yml`, which is no part of the project.

Belongs here: reading it, and documents drawn from its schemas. Not here: what is checked against it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.conftest import ROOT

CONTRACT = ROOT.parent / "shared" / "spotify_openapi.yml"

Schema = dict[str, Any]


class Contract:
    """The contract in the file at `path`."""

    def __init__(self, path: Path) -> None:
        document = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.paths: dict[str, Schema] = document["paths"]
        self.components: Schema = document["components"]

    def validator(self, path: str, status: int) -> Draft202012Validator:
        """What judges an answer to GET `path` with this status."""
        schema = _translated(self._answer(path, status))
        return Draft202012Validator({"components": _translated(self.components), "allOf": [schema]})

    def unknown_keys(self, path: str, status: int, answer: Any) -> Iterator[tuple[Any, str]]:
        """The keys of an answer that its schema does not name, each with the object that holds it."""
        return self._unknown(self._answer(path, status), answer)

    def _answer(self, path: str, status: int) -> Schema:
        answer = self._find(self.paths[path]["get"]["responses"][str(status)])
        schema: Schema = answer["content"]["application/json"]["schema"]
        return schema

    def _unknown(self, schema: Schema, value: Any) -> Iterator[tuple[Any, str]]:
        schema = self._merged(schema)
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in schema.get("properties", {}):
                    yield from self._unknown(schema["properties"][key], inner)
                else:
                    yield value, key
        elif isinstance(value, list):
            for inner in value:
                yield from self._unknown(schema.get("items", {}), inner)

    def documents(self, name: str) -> st.SearchStrategy[Any]:
        """Documents that are valid by the schema `name`; keys that need not be there are sometimes left out."""
        return self._drawn(self.components["schemas"][name])

    def _find(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = {"components": self.components}
            for key in schema["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            schema = found
        return schema

    def _merged(self, schema: Schema) -> Schema:
        """The schema with all that it refers to in one object."""
        schema = self._find(schema)
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in map(self._merged, schema.get("allOf", [])):
            merged |= {key: value for key, value in part.items() if key not in ("properties", "required")}
            merged["properties"] = part.get("properties", {}) | merged.get("properties", {})
            merged["required"] = [*merged.get("required", []), *part.get("required", [])]
        return merged

    def _drawn(self, schema: Schema) -> st.SearchStrategy[Any]:
        schema = self._merged(schema)
        drawn = self._drawn_whole(schema)
        return st.none() | drawn if schema.get("nullable") else drawn

    def _drawn_whole(self, schema: Schema) -> st.SearchStrategy[Any]:
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        least, most = schema.get("minimum"), schema.get("maximum")
        match schema["type"]:
            case "object":
                parts = {key: self._drawn(value) for key, value in schema.get("properties", {}).items()}
                needed = set(schema.get("required", []))
                return st.fixed_dictionaries(
                    {key: value for key, value in parts.items() if key in needed},
                    optional={key: value for key, value in parts.items() if key not in needed},
                )
            case "array":
                return st.lists(self._drawn(schema["items"]), max_size=2)
            case "integer":
                return st.integers(-(2**53) if least is None else int(least), 2**53 if most is None else int(most))
            case "number":
                return st.floats(least, most, allow_nan=False, allow_infinity=False)
            case "boolean":
                return st.booleans()
            case _:
                return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def _translated(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema, which has `null` among its types."""
    if isinstance(schema, list):
        return [_translated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _translated(value) for key, value in schema.items() if key not in ("example", "nullable")}
    return {"anyOf": [{"type": "null"}, made]} if schema.get("nullable") is True else made


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Spotify's contract; the test is skipped where it is absent."""
    if not CONTRACT.exists():
        pytest.skip("needs Spotify's contract: ../shared/spotify_openapi.yml, which may not be part of the project")
    return Contract(CONTRACT)
