"""Which way imports go between the project's folders, and how long a file may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

OURS = {"warehouse", "extract", "ml", "web", "orchestration"}
MAY_IMPORT = {
    "warehouse": set(),
    "extract": {"warehouse"},
    "ml": {"warehouse"},
    "web": {"warehouse", "ml"},
    "orchestration": {"warehouse", "extract", "ml", "web"},
}
ONLY_IN_ORCHESTRATION = {"dagster", "dagster_dbt", "dbt"}

LONGEST = 420
LONGER = {
    "ml/charts/__init__.py": "one entry per chart of the report",
    "orchestration/cli.py": "one function per command, most of it the help of arguments and options",
    "tests/end_to_end/test_identity.py": "one machine of states: the commands, and what must hold after each",
    "tests/extract/test_crawl.py": "one story per rule of the crawl, on the same small catalogue",
    "tests/extract/test_dumps.py": "one story per layout and per kind of bad row",
    "tests/ml/test_scoring.py": "one story per kind of song file and of value that cannot be used",
}
"""The files that are longer, and why."""


def imported_by(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the top-level package of every import in a file, those inside functions among them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports by a relative path, which this test does not follow"
            yield node.lineno, (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_down(package: str) -> None:
    """Guards against a folder that cannot be read, tested or changed without those above it."""
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    forbidden = OURS - MAY_IMPORT[package] - {package}
    if package != "orchestration":
        forbidden |= ONLY_IN_ORCHESTRATION
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in files
        for line, name in imported_by(file)
        if name in forbidden
    ]
    assert wrong == []


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    """Guards against a file that does several things; and against an exception that is no longer one."""
    files = [file for folder in (*OURS, "tests") for file in (ROOT / folder).rglob("*.py")]
    lines = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {name for name, count in lines.items() if count > LONGEST} == set(LONGER)
