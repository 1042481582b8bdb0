"""Every write fails once: the commands on a small dataset, with one system call after the other made to fail.

As a command: `python -m tests.proof.system_faults [--sample 30] [--command import]`. It prints what went wrong and the
table of docs/testing.md, and writes each point to target/proof/system_faults.json. Needs strace.
Belongs here: the commands, and what must hold after a fault. Not here: how a call is made to fail (faulted.py).
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

import extract.dumps  # noqa: F401 - here and below: what the forked processes would each import for themselves
import ml.library  # noqa: F401
import ml.records
import ml.report  # noqa: F401
import ml.training  # noqa: F401
import warehouse.exports  # noqa: F401
import warehouse.publication  # noqa: F401
from orchestration.cli import app
from tests.conftest import ROOT
from tests.end_to_end.workplace import Dbt, Workplace, songs, write_songs
from tests.proof.faulted import ERRORS, KILL, Body, Ended, Point, run, run_with, was_killed, writing_calls
from warehouse.files import UNFINISHED, identifier

REPORT = ROOT / "target" / "proof" / "system_faults.json"
SEED = 25

MOST = {"dbt build": 70, "report": 150}
"""The most points of a command that has many calls, or takes long."""

VOLATILE = {
    "batch_id", "extracted_at", "landed_at", "requested_at", "done_at", "created_at", "decided_at", "began_at",
    "fit_seconds", "predict_seconds", "peak_mb", "waited_seconds", "elapsed_seconds",
}  # fmt: skip
"""Columns that differ between two runs of one command."""

UNCOUNTED = {"raw.requests", "raw.unusable_responses", "intermediate.build_results"}
"""Logs: what was asked again after a kill stands in them twice, and should."""

State = dict[str, str]


class Proof:
    """A finished folder, from which each point starts, and the commands as they are tried."""

    def __init__(self, folder: Path) -> None:
        self.template, self.tried = folder / "template", folder / "tried"
        self._dbt = Dbt(folder)
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv("DBT_LOG_LEVEL_FILE", "none")
        place = Workplace(self.template, self._dbt).entered(self._patch)
        write_songs(self.template / "songs.csv", songs(("Ambient", "Punk"), artists=12, each=2))
        write_songs(self.template / "more.csv", songs(("Jazz", "Ska"), artists=5, each=2))
        place.run("songs.csv", model="knn")
        for variable in ("WAREHOUSE_PATH", "PUBLISHED_PATH"):
            self._patch.setenv(variable, str(self.tried / Path(os.environ[variable]).name))
        self._patch.chdir(folder)

    def close(self) -> None:
        """Undo what was set for the commands."""
        self._patch.undo()

    def commands(self) -> Mapping[str, tuple[Body, Body]]:
        """By name: what is done to the finished folder before the command, undisturbed, and the command."""
        return {
            "import": (nothing, console("import", "more.csv")),
            "crawl": (nothing, console("extract", "-i", "sandbox", "-g", "Dub", "-g", "Opera", "--limit", "4")),
            "train": (nothing, console("train", "--model", "prior", "--seed", "7")),
            "publish": (self._imported_and_built, console("publish")),
            "export": (nothing, console("export")),
            "report": (nothing, console("report")),
            "dbt build": (console("import", "more.csv"), self._dbt_build),
        }

    def _dbt_build(self) -> None:
        try:
            self._dbt.build()
        except Exception as error:  # dbt's words, which its own command prints without a traceback
            print(f"Error: {error}")
            sys.exit(1)

    def _imported_and_built(self) -> None:
        with pytest.raises(SystemExit):
            app(["import", "more.csv"])
        self._dbt.build()

    def prepared(self, name: str, before: Body) -> Path:
        """A folder for the command `name`, in which `before` has been done."""
        place = self.tried.with_name(f"before {name}")
        self._fresh(self.template)
        if before is not nothing:
            ended = run(self.tried, before)
            assert ended.code == 0, ended.said
        shutil.copytree(self.tried, place)
        return place

    def _fresh(self, start: Path) -> Path:
        shutil.rmtree(self.tried, ignore_errors=True)
        shutil.copytree(start, self.tried)
        return self.tried

    def undisturbed(self, start: Path, body: Body) -> tuple[list[Point], State, State]:
        """The command's writing calls, and the state before and after it."""
        before = state(self._fresh(start))
        points = writing_calls(self.tried, body)
        return points, before, state(self.tried)

    def wrong_after(self, start: Path, body: Body, point: Point, before: State, after: State) -> list[str]:
        """What is wrong after the fault, and after the same command again."""
        folder = self._fresh(start)
        ended = run_with(folder, body, point)
        found = list(wrong_words(ended, point))
        try:
            found += wrong_between(before, state(folder), after, is_done=ended.code == 0)
        except duckdb.Error as error:
            found.append(f"a database does not open: {error}")
        again = run(folder, body)
        if again.code != 0:
            found.append(f"the same command again ends with {again.code}: {again.said[-300:]}")
        try:
            found += [f"again: {name} is not as in an undisturbed run" for name in different(state(folder), after)]
        except duckdb.Error as error:
            found.append(f"again: a database does not open: {error}")
        return found


def nothing() -> None:
    """Leave the finished folder as it is."""


def console(*arguments: str) -> Body:
    """A command of the console script."""
    return partial(app, list(arguments))


def wrong_words(ended: Ended, point: Point) -> Iterator[str]:
    """What is wrong with how a faulted command ended."""
    if point.fault == KILL:
        if not was_killed(ended) and ended.code != 0:
            yield f"ended with {ended.code}, not killed: {ended.said[-300:]}"
        return
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said.strip().splitlines()[-1][:200]}"
    elif ended.code not in (0, 1):
        yield f"ended with {ended.code}: {ended.said[-300:]}"
    elif ended.code == 1 and "Error:" not in ended.said:
        yield f"no word of an error: {ended.said[-300:]}"


def wrong_between(before: State, now: State, after: State, *, is_done: bool) -> Iterator[str]:
    """What is neither as before nor as after the command, or, where it ended well, not as after."""
    for name in sorted(before.keys() | after.keys() | now.keys()):
        old, new, held = before.get(name), after.get(name), now.get(name)
        if held == new or (held == old and not is_done):
            continue
        if name.endswith(UNFINISHED):
            continue  # a killed process cannot remove it; the next one does
        if name == "README.md" and held is None:
            continue  # an export takes it away before the first file is replaced, and writes it last
        if is_done:
            yield f"{name} is not as it should be, and the command said that all went well"
        elif name.startswith("warehouse raw.") and is_part(old, held, new):
            continue  # the batches of a crawl are landed one by one
        elif name.startswith(("warehouse marts.", "warehouse intermediate.", "warehouse staging.")):
            continue  # dbt makes one model after another; publish refuses what is not all of one build
        else:
            yield f"{name} is neither as before nor as after"


def is_part(old: str | None, held: str | None, new: str | None) -> bool:
    """Whether the rows are those from before and some of those that the whole command lands."""
    first, some, last = (Counter(json.loads(text or "[]")) for text in (old, held, new))
    return first <= some <= last


def different(one: State, other: State) -> list[str]:
    """What differs between two states."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def state(folder: Path) -> State:
    """What a folder holds: the rows of each table of both databases, and what each file says."""
    found: State = {}
    for name in ("warehouse", "published"):
        with duckdb.connect(str(folder / f"{name}.duckdb")) as connection:
            found |= {f"{name} {table}": rows for table, rows in tables(connection)}
    with duckdb.connect() as connection:  # closed again: a thread of it would be missing in the next forked process
        for path in sorted([*(folder / "exports").rglob("*"), *(folder / "reports").rglob("*")]):
            if path.suffix == ".parquet":
                found[path.name] = str(sorted(map(str, connection.read_parquet(str(path)).fetchall())))
            elif path.is_file():
                found[path.name] = str(hash(path.read_bytes()))
    return found


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Each table with a hash of each of its rows, sorted, as JSON."""
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal order by all"
    ).fetchall():
        if f"{schema}.{table}" not in UNCOUNTED:
            name = f"{identifier(schema)}.{identifier(table)}"
            kept = [identifier(column) for column in connection.table(name).columns if column not in VOLATILE]
            (hashes,) = connection.execute(f"select list_sort(list(hash({', '.join(kept)}))) from {name}").fetchone()
            yield f"{schema}.{table}", json.dumps(hashes or [])


def points_of(name: str, calls: Sequence[Point], seed: int) -> list[Point]:
    """Each call with each fault, or as many of them as the command is given, drawn by the seed."""
    every = [
        Point(call.call, call.path, call.number, fault)
        for call in calls
        for fault in (*ERRORS, KILL)
        if not (fault == "EINTR" and call.call.startswith("rename"))  # which the kernel never says of it
    ]
    most = MOST.get(name, len(every))
    return every if len(every) <= most else random.Random(seed).sample(every, most)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the points, and print what went wrong and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many points in all (all)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--command", action="append", help="a command; repeatable (all)")
    parser.add_argument("--minutes", type=float, help="how long at most (until all are tried)")
    parser.add_argument("--count", action="store_true", help="only count the points")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        proof = Proof(Path(name))
        try:
            return _try_all(proof, options)
        finally:
            proof.close()


def _try_all(proof: Proof, options: argparse.Namespace) -> int:
    tried: list[dict[str, Any]] = []
    began = time.monotonic()
    commands = {name: each for name, each in proof.commands().items() if name in (options.command or [name])}
    tries: list[tuple[str, Point]] = []
    known: dict[str, tuple[Path, Body, State, State]] = {}
    for name, (before_it, body) in commands.items():
        start = proof.prepared(name, before_it)
        calls, before, after = proof.undisturbed(start, body)
        known[name] = start, body, before, after
        chosen = points_of(name, calls, options.seed)
        if options.sample:
            share = -(-options.sample // len(commands))
            chosen = random.Random(options.seed).sample(chosen, min(share, len(chosen)))
        print(f"{name}: {len(calls)} calls, {len(chosen)} points", flush=True)
        tries += [(name, point) for point in chosen]
    random.Random(options.seed).shuffle(tries)  # so that a proof that is broken off has tried some of everything
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    for name, point in [] if options.count else tries:
        start, body, before, after = known[name]
        wrong = proof.wrong_after(start, body, point, before, after)
        tried.append({"command": name, "point": astuple(point), "wrong": wrong})
        REPORT.write_text(json.dumps(tried, indent=1))
        if wrong:
            print(f"  {name}: {point}: {'; '.join(wrong)}", flush=True)
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            break
    print(table(tried))
    failed = sum(bool(each["wrong"]) for each in tried)
    seconds = time.monotonic() - began
    print(f"{len(tried)} of {len(tries)} points in {seconds:,.0f} s, {failed} with something wrong: {REPORT}")
    return 1 if failed else 0


def table(tried: Sequence[Mapping[str, Any]]) -> str:
    """The points tried, by command and fault, as Markdown."""
    faults = (*ERRORS, KILL)
    counts = Counter((each["command"], each["point"][3]) for each in tried)
    lines = [f"| command | {' | '.join(faults)} | in all |", "|---|" + "---:|" * (len(faults) + 1)]
    for name in sorted({each["command"] for each in tried}):
        numbers = [counts[name, fault] for fault in faults]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {sum(numbers)} |")
    totals = [sum(counts[name, fault] for name in sorted({each["command"] for each in tried})) for fault in faults]
    lines.append(f"| all | {' | '.join(map(str, totals))} | {sum(totals)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
