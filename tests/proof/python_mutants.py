"""Mutants of the modules on which most depends, each judged by the tests beside it, in a copy of the project.

As a command: `python -m tests.proof.python_mutants [--sample 60] [--only warehouse/raw.py]`. It prints the survivors
and writes all verdicts to target/proof/python_mutants.json.
Belongs here: all of it. Not here: the mutants of SQL (sql_mutants.py).
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

REPORT = ROOT / "target" / "proof" / "python_mutants.json"
SEED = 25

JUDGED_BY = {
    "warehouse/raw.py": ["tests/warehouse/test_raw.py", "tests/warehouse/test_earlier_versions.py"],
    "warehouse/publication.py": ["tests/warehouse/test_publication.py"],
    "extract/http.py": ["tests/extract/test_http.py", "tests/extract/test_spotify.py", "tests/extract/test_crawl.py"],
    "extract/crawl/state.py": [
        "tests/extract/test_crawl_state.py", "tests/extract/test_crawl.py", "tests/extract/test_crawl_gone.py",
    ],
    "extract/song_files/number_columns.py": ["tests/extract/song_files/test_values.py", "tests/extract/test_dumps.py"],
    "extract/song_files/csv_dialect.py": ["tests/extract/song_files/test_csv.py", "tests/extract/test_dumps.py"],
    "ml/dataset.py": ["tests/ml/test_dataset.py", "tests/ml/test_protocols.py"],
    "ml/evaluation.py": ["tests/ml/test_evaluation.py"],
}  # fmt: skip
"""The tests that must see what is wrong in a module."""

COMPARED = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.NotIn: [ast.In], ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}  # fmt: skip
REPLACED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


class PythonMutant(NamedTuple):
    """A module with one change: `name` says where and what, `source` is the whole text."""

    name: str
    module: str
    source: str


def mutants(module: str, text: str) -> Iterator[PythonMutant]:
    """All mutants of a module."""
    tree = ast.parse(text)
    for place, node in enumerate(ast.walk(tree)):
        for number, new in enumerate(changes(node)):
            changed = deepcopy(tree)
            old = list(ast.walk(changed))[place]
            was = ast.unparse(old)
            for field, value in new.items():
                setattr(old, field, value)
            line = getattr(node, "lineno", 0)
            yield PythonMutant(f"{module}:{line} [{was} -> {ast.unparse(old)}] {number}", module, ast.unparse(changed))


def changes(node: ast.AST) -> Iterator[dict[str, object]]:
    """What may go wrong in a node, as new values of its fields."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in COMPARED[type(node.ops[0])]:
            yield {"ops": [operator()]}
    elif isinstance(node, ast.BoolOp):
        yield {"op": ast.And() if isinstance(node.op, ast.Or) else ast.Or()}
        yield {"values": node.values[1:]} if len(node.values) > 2 else {"values": [node.values[0], node.values[0]]}
    elif isinstance(node, ast.BinOp) and type(node.op) in REPLACED:
        yield {"op": REPLACED[type(node.op)]()}
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield {"value": node.value + 1}
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield {"value": not node.value}
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield {"test": ast.UnaryOp(ast.Not(), node.test)}
    elif isinstance(node, ast.Return) and node.value is not None:
        yield {"value": ast.Constant(None)}
    elif isinstance(node, ast.Raise):
        yield {"exc": ast.Call(ast.Name("NotImplementedError"), [], []), "cause": None}


def is_killed(copy: Path, mutant: PythonMutant) -> bool:
    """Whether a test of the module fails on the mutant."""
    path = copy / mutant.module
    before = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not full", "--timeout", "120",
             *JUDGED_BY[mutant.module]],
            cwd=copy, env=environment, capture_output=True,
        )  # fmt: skip
    finally:
        path.write_text(before, encoding="utf-8")
    return done.returncode != 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a sample of the mutants, and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="how many, an equal number of each module")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", action="append", help="modules")
    options = parser.parse_args(arguments)
    modules = options.only or list(JUDGED_BY)
    draw = random.Random(options.seed)
    chosen: list[PythonMutant] = []
    for module in modules:
        every = list(mutants(module, (ROOT / module).read_text(encoding="utf-8")))
        chosen += draw.sample(every, min(len(every), -(-options.sample // len(modules))))
    found: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "target", "data", "node_modules"))
        for mutant in chosen:
            found[mutant.name] = is_killed(copy, mutant)
            if not found[mutant.name]:
                print(f"{len(found)}/{len(chosen)} survives: {mutant.name}", flush=True)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=1))
    tried = Counter(name.partition(":")[0] for name in found)
    killed = Counter(name.partition(":")[0] for name, is_dead in found.items() if is_dead)
    for module in modules:
        print(f"{module}: {killed[module]} of {tried[module]} killed")
    print(f"{killed.total()} of {tried.total()} killed: {REPORT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
