"""The study's cleaning by the dbt project's own SQL beside pandas, and both tables compared row by row.

In memory: from a listing in a table to clean tracks, by the compiled models. From file to file: `song-genres clean`
and pandas, each as a process of its own, start-up included; and the long way through a warehouse with all tests.

`CLEANING_LISTINGS=20000` for a quick look.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from time import perf_counter

import duckdb
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import BIN, ROOT, RUNS, Usage, dbt, gib, median, run, spread
from tests.dbt_project.pandas_cleaning import assert_same, clean_like_the_study
from tests.dbt_project.study_listing import make_listing, study_frame
from warehouse import raw

LISTINGS = int(os.environ.get("CLEANING_LISTINGS", "916668"))
THREADS = 2


def warehouse_in_memory(folder: Path, connection: duckdb.DuckDBPyConnection) -> Callable[[], None]:
    """Put the made-up listing where the models look for it; returns what builds the clean tracks from it.

    The models' SQL is what dbt compiled. The rules are views; the two tables of the way are made anew by each call.
    """
    dbt(folder / "none.duckdb", "compile", "--target", "memory", "--select", "+clean_tracks")
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    # An ephemeral model stands in the SQL of those that read it.
    models = {
        key: node
        for key, node in manifest["nodes"].items()
        if key.startswith("model.") and node["config"]["materialized"] != "ephemeral"
    }
    raw.create_raw_tables(connection)
    for schema in ("staging", "intermediate", "marts"):
        connection.execute(f"create schema {schema}")

    def create(model: str) -> None:
        node = models[model]
        connection.execute(
            f"create or replace {node['config']['materialized']} {node['relation_name']} as {node['compiled_code']}"
        )

    selected = {model: node["depends_on"]["nodes"] for model, node in models.items() if node.get("compiled_code")}
    tables = []
    for model in filter(selected.__contains__, TopologicalSorter(selected).static_order()):
        create(model)
        if models[model]["name"] == "int_listings_joined":
            connection.execute(
                f"""
                insert into {models[model]["relation_name"]} by name
                select *, 'study' as dataset, true as is_synthetic, spotify_track_id as requested_track_id,
                    true as is_readable, true as has_audio_features, true as is_asked_about
                from listing
                """
            )
        elif models[model]["config"]["materialized"] == "table":
            tables.append(model)

    def clean() -> None:
        for model in tables:
            create(model)

    return clean


def seconds(function: Callable[[], object]) -> float:
    started = perf_counter()
    function()
    return perf_counter() - started


def in_memory(folder: Path) -> Table:
    connection = duckdb.connect(config={"threads": THREADS})
    make_listing(connection, LISTINGS)
    frame = study_frame(connection, "listing")
    ours = warehouse_in_memory(folder, connection)
    theirs, cleaned = [], []
    for _ in range(RUNS):
        cleaned.append(seconds(ours))
        theirs.append(seconds(lambda: clean_like_the_study(frame)))
    assert_same(study_frame(connection, "marts.clean_tracks"), clean_like_the_study(frame))
    frame.to_csv(folder / "listing.csv", index=False)
    table = Table("", "seconds", "runs", title=f"The cleaning alone: {LISTINGS:,} listings in memory -> clean tracks")
    for name, times in (("dbt's models, all rules and reasons", cleaned), ("pandas", theirs)):
        table.add_row(name, f"{statistics.median(times):.2f}", f"{min(times):.2f} to {max(times):.2f}")
    table.caption = (
        f"{statistics.median(theirs) / statistics.median(cleaned):.2f} times as fast as pandas; the same table row for "
        f"row. Medians of {RUNS}, {THREADS} threads."
    )
    return table


def file_to_file(folder: Path) -> Table:
    dump, ours, theirs = folder / "listing.csv", folder / "ours.csv", folder / "theirs.csv"
    ways: dict[str, list[Usage]] = {"song-genres clean": [], "pandas": []}
    for _ in range(RUNS):
        ways["song-genres clean"].append(run([BIN / "song-genres", "clean", dump, ours]))
        script = ROOT / "tests" / "dbt_project" / "pandas_cleaning.py"
        ways["pandas"].append(run([BIN / "python", script, dump, theirs]))
    # Reading numbers as pandas does by default, which the study did, can lose their last digit.
    assert_same(pd.read_csv(ours), pd.read_csv(theirs), tolerance=1e-14)
    long_way = the_long_way(folder, dump)
    table = Table(
        "", "seconds", "runs", "peak memory", title=f"CSV in, CSV out: {LISTINGS:,} listings, whole processes"
    )
    for name, usages in ways.items():
        table.add_row(name, f"{median(usages).seconds:.1f}", spread(usages), gib(median(usages).peak))
    table.add_row("import, dbt build, export", f"{long_way.seconds:.1f}", "once", gib(long_way.peak))
    quick, pandas = median(ways["song-genres clean"]), median(ways["pandas"])
    table.caption = (
        f"{pandas.seconds / quick.seconds:.2f} times as fast as pandas, with {quick.peak / pandas.peak:.2f} of its "
        f"memory; the same table row for row. Medians of {RUNS}. The last way makes a warehouse, runs all tests and "
        "writes every mart."
    )
    return table


def the_long_way(folder: Path, dump: Path) -> Usage:
    paths = {"WAREHOUSE_PATH": str(folder / "long.duckdb"), "PUBLISHED_PATH": str(folder / "published.duckdb")}
    steps = [
        run([BIN / "song-genres", "import", dump], **paths),
        dbt(folder / "long.duckdb", "build"),
        run(
            [BIN / "song-genres", "export", "--output", folder / "export"],
            **paths | {"PUBLISHED_PATH": paths["WAREHOUSE_PATH"]},
        ),
    ]
    return Usage(sum(step.seconds for step in steps), max(step.peak for step in steps))


def main() -> None:
    """Print both tables. Fails where the two ways do not give the same clean tracks."""
    with tempfile.TemporaryDirectory() as name:
        for measure in (in_memory, file_to_file):
            Console(width=120).print(measure(Path(name)))
