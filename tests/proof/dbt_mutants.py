"""Whether dbt's own tests notice a small thing that is wrong in the dbt project: its mutants, built and tested.

As a command: `python -m tests.proof.dbt_mutants [--sample 300] [--only feature_outliers]`. It prints each survivor, and
writes all verdicts to target/proof/dbt_mutants.json. Ends with 1 where dbt_survivors.yml does not explain a survivor.
Belongs here: building mutants. Not here: how they are made (sql_mutants.py), the documents (every_case.py).
"""

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from tests.conftest import ROOT
from tests.proof.every_case import land_every_case
from tests.proof.sql_mutants import Mutant, mutants

EXPLAINED = Path(__file__).with_name("dbt_survivors.yml")
REPORT = ROOT / "target" / "proof" / "dbt_mutants.json"
SEED = 25

NOT_BUILT = ("record_build", "require_raw_documents", "generate_schema_name")
"""Macros that change no row of a model: tests/warehouse/test_publication.py and tests/dbt_project judge them."""


class Verdict(NamedTuple):
    """What became of a mutant: the tests or models that failed; none where it survived."""

    mutant: Mutant
    killed_by: list[str]
    stage: str
    seconds: float


def all_mutants() -> list[Mutant]:
    """The mutants of every model and macro that DuckDB runs, in a fixed order."""
    project = ROOT / "dbt_project"
    paths = [*(project / "models").rglob("*.sql"), *(project / "macros").glob("*.sql")]
    return [
        mutant
        for path in sorted(paths)
        if path.stem not in NOT_BUILT
        for mutant in mutants(path, path.read_text(encoding="utf-8"))
    ]


def sample(of: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """`number` of the mutants, spread over the files: one of each in turn, in an order that the seed gives."""
    draw = random.Random(seed)
    waiting: dict[Path, list[Mutant]] = defaultdict(list)
    for mutant in of:
        waiting[mutant.path].append(mutant)
    for of_file in waiting.values():
        draw.shuffle(of_file)
    chosen: list[Mutant] = []
    while len(chosen) < min(number, len(of)):
        for path in draw.sample(sorted(waiting), len(waiting)):
            chosen += waiting[path][:1]
            waiting[path] = waiting[path][1:]
    return chosen[:number]


class Project:
    """The dbt project, parsed once, with a warehouse of every case that is built once and copied for each mutant."""

    def __init__(self, folder: Path) -> None:
        self._base, self._warehouse = folder / "base.duckdb", folder / "warehouse.duckdb"
        land_every_case(self._warehouse)
        self._options = [
            "--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target-path", str(folder / "target"),
            "--log-path", str(folder / "logs"), "--log-level", "none", "--log-level-file", "none", "--no-write-json",
        ]  # fmt: skip
        parsed = dbtRunner().invoke(["parse", *self._options])
        assert parsed.success, parsed.exception
        self._manifest: Any = parsed.result
        failed = self._run(self._manifest.deepcopy(), ["build", "--threads", "2"])
        assert failed == [], failed
        shutil.move(self._warehouse, self._base)
        self._users = self._users_of_macros()

    def judge(self, mutant: Mutant) -> Verdict:
        """Build the mutant and all that hangs on it, and run their tests: first the unit tests of what was changed."""
        began = time.monotonic()
        shutil.copyfile(self._base, self._warehouse)
        manifest = self._manifest.deepcopy()
        names = self._change(manifest, mutant)
        stages = {
            "unit tests": ["test", "--select", *(f"{name},test_type:unit" for name in names)],
            "build": ["build", "--select", *(f"{name}+" for name in names), "--exclude-resource-type", "unit_test"],
        }
        for stage, command in stages.items():
            if failed := self._run(manifest, [*command, "--fail-fast", "--threads", "1"]):
                return Verdict(mutant, failed, stage, time.monotonic() - began)
            # dbt wrote what it compiled into the manifest, and would not compile an ephemeral model a second time.
            manifest = self._manifest.deepcopy()
            self._change(manifest, mutant)
        return Verdict(mutant, [], "", time.monotonic() - began)

    def _run(self, manifest: Any, command: list[str]) -> list[str]:
        """The names of the nodes that fail."""
        outcome = dbtRunner(manifest=manifest).invoke([*command, *self._options])
        DuckDBConnectionManager.close_all_connections()
        if outcome.success:
            return []
        results = getattr(outcome.result, "results", [])
        failed = [each.node.name for each in results if each.status in ("fail", "error", "runtime error")]
        return failed or [type(outcome.exception).__name__ if outcome.exception else "dbt"]

    def _users_of_macros(self) -> dict[str, list[str]]:
        """The models that call each macro, directly or through another."""
        calls = {key: set(macro.depends_on.macros) for key, macro in self._manifest.macros.items()}

        def reached(keys: set[str]) -> set[str]:
            found, waiting = set(keys), list(keys)
            while waiting:
                new = calls.get(waiting.pop(), set()) - found
                found |= new
                waiting += new
            return found

        users: dict[str, list[str]] = defaultdict(list)
        for node in self._manifest.nodes.values():
            if node.resource_type == "model":
                for key in reached(set(node.depends_on.macros)):
                    users[key].append(node.name)
        return users

    def _change(self, manifest: Any, mutant: Mutant) -> list[str]:
        """Put the mutant in place of what was parsed; gives the models that it changes."""
        before = mutant.path.read_text(encoding="utf-8")
        changed = mutant.apply(before)
        if "macros" not in mutant.path.parts:
            node = manifest.nodes[f"model.song_genres.{mutant.path.stem}"]
            node.raw_code = changed
            return [node.name]
        names: set[str] = set()
        for key, macro in manifest.macros.items():
            if macro.package_name != "song_genres" or ROOT / macro.original_file_path != mutant.path:
                continue
            new = macro_in(changed, macro.name)
            if new != macro_in(before, macro.name):
                macro.macro_sql = new
                names |= set(self._users[key])
        assert names, f"no model uses what was changed in {mutant.path}"
        return sorted(names)


def macro_in(text: str, name: str) -> str:
    """The macro of this name in the text of a file."""
    found = re.search(rf"\{{% macro {name}\(.*?endmacro %\}}", text, re.DOTALL)
    assert found is not None, name
    return found[0]


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """dbt's environment for a warehouse in `folder`."""
    before = dict(os.environ)
    os.environ.update(WAREHOUSE_PATH=str(folder / "warehouse.duckdb"), DBT_SEND_ANONYMOUS_USAGE_STATS="false")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def verdicts(chosen: Sequence[Mutant]) -> Iterator[Verdict]:
    """Each mutant's verdict, as it comes."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name, environment(Path(name)):
        project = Project(Path(name))
        for mutant in chosen:
            yield project.judge(mutant)


def explained() -> dict[str, str]:
    """The survivors that are known, each with the reason why no test can or need tell it."""
    groups = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")) or []
    return {name: group["because"] for group in groups for name in group["mutants"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge mutants, print the survivors, and write the verdicts down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many, spread over the files (all)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", action="append", help="models or macro files")
    parser.add_argument("--again", action="store_true", help="only what survived in the last report unexplained")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in all_mutants() if not options.only or mutant.path.stem in options.only]
    earlier = {each["name"]: each for each in json.loads(REPORT.read_text())} if options.again else {}
    known = explained()
    if options.again:
        settled = known.keys() | {name for name, each in earlier.items() if each["killed_by"]}
        chosen = [mutant for mutant in chosen if mutant.name not in settled]
    if options.sample:
        chosen = sample(chosen, options.sample, options.seed)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    for number, verdict in enumerate(verdicts(chosen), 1):
        name = verdict.mutant.name
        if not verdict.killed_by:
            why = "explained" if name in known else "NOT EXPLAINED"
            print(f"{number}/{len(chosen)} survives ({why}): {name}", flush=True)
        earlier[name] = {
            "name": name, "kind": verdict.mutant.kind, "killed_by": verdict.killed_by, "stage": verdict.stage,
            "seconds": round(verdict.seconds, 2),
        }  # fmt: skip
        REPORT.write_text(json.dumps(list(earlier.values()), indent=1))
    survivors = [name for name, each in earlier.items() if not each["killed_by"]]
    print(f"{len(earlier)} mutants, {len(earlier) - len(survivors)} killed, {len(survivors)} survive: {REPORT}")
    unexplained = [name for name in survivors if name not in known]
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
