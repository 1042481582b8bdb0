"""`dbt build` on Spark beside DuckDB, from the same documents: a tenth, the whole and ten times the study's listing.

`make bench-spark`; it needs the extra [spark] and Java. Both build every mart with all data tests, two threads (on
Spark: local[2]). What was shuffled comes from Spark's own event log: the bytes that tasks wrote for others, by the
table that the statement made, and how many stages wrote them. Up to PARITY listings, each mart is compared row for row.

`SPARK_LISTINGS="20000 91667"` for a quick look.
"""

import json
import os
import re
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import Usage, dbt, gib
from tests.dbt_project.study_listing import land_listing, make_listing
from tests.spark.conftest import Engines
from tests.spark.test_parity_on_spark import assert_equal
from warehouse import files
from warehouse.raw_export import export_raw

SIZES = [int(size) for size in os.environ.get("SPARK_LISTINGS", "91667 916668 9166680").split()]
PARITY = 1_000_000
MEMORY = os.environ.get("SPARK_DRIVER_MEMORY", "4g")
"""The JVM's heap, in which all of Spark is here; on a cluster it is the executors'."""


class Shuffled(NamedTuple):
    """What a statement shuffled: bytes written for other tasks, and how many stages wrote any."""

    bytes: int
    stages: int


def shuffled_by_table(event_log: Path) -> dict[str, Shuffled]:
    """What was shuffled to make each table (schema.table), and in all else under ''; only what did shuffle is there."""
    written: dict[int, int] = defaultdict(int)
    stages: dict[int, set[int]] = defaultdict(set)
    roots: dict[int, int] = {}
    tables: dict[int, str] = {}
    with event_log.open(encoding="utf-8") as lines:
        for event in map(json.loads, lines):
            kind = event["Event"].rpartition(".")[2]
            if kind == "SparkListenerTaskEnd":
                metrics = event.get("Task Metrics") or {}
                written[event["Stage ID"]] += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
            elif kind == "SparkListenerJobStart":
                execution = event["Properties"].get("spark.sql.execution.id")
                stages[int(execution) if execution else -1].update(event["Stage IDs"])
            elif kind == "SparkListenerSQLExecutionStart":
                roots[event["executionId"]] = event.get("rootExecutionId", event["executionId"])
                if table := _table_made(event["physicalPlanDescription"]):
                    tables[event["executionId"]] = table
    found: dict[str, Shuffled] = {}
    for execution, of_execution in stages.items():
        table = tables.get(roots.get(execution, execution), "")
        sizes = [written[stage] for stage in of_execution if written[stage]]
        before = found.get(table, Shuffled(0, 0))
        if sizes:
            found[table] = Shuffled(before.bytes + sum(sizes), before.stages + len(sizes))
    return found


def _table_made(plan: str) -> str | None:
    """The table (schema.table) that a `create table as` makes, from the description of its plan."""
    found = re.search(r"AsSelectCommand.*?((?:`\w+`\.)+`\w+`)", plan, re.DOTALL)
    return ".".join(found[1].replace("`", "").split(".")[-2:]) if found else None


class Measured(NamedTuple):
    """Both engines on one size."""

    duckdb: Usage
    spark: Usage
    documents: int
    shuffled: dict[str, Shuffled]


def measure(listings: int, folder: Path) -> Measured:
    """Land, export, build on both engines, and compare."""
    path = folder / "warehouse.duckdb"
    with files.connect(path) as connection:
        make_listing(connection, listings)
        land_listing(connection, "crawl")
    with files.connect(path, read_only=True) as connection:
        export_raw(connection, folder / "raw")
    documents = sum(file.stat().st_size for file in (folder / "raw").rglob("*.parquet"))
    on_duckdb = dbt(path, "build", "--exclude-resource-type", "unit_test")
    events = folder / "events"
    events.mkdir()
    (folder / "conf").mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(
        f"spark.master local[2]\nspark.driver.memory {MEMORY}\n"
        f"spark.eventLog.enabled true\nspark.eventLog.dir {events.as_uri()}\n"
        "spark.eventLog.compress false\nspark.eventLog.rolling.enabled false\n"
        f"spark.local.dir {folder / 'spill'}\n"
    )
    on_spark = dbt(
        path, "build", "--target", "spark", "--exclude-resource-type", "unit_test",
        RAW_EXPORT_PATH=str(folder / "raw"),
        SPARK_WAREHOUSE_PATH=str(folder / "spark"),
        SPARK_CONF_DIR=str(folder / "conf"),
    )  # fmt: skip
    (log,) = [file for file in events.iterdir() if file.is_file()]
    if listings <= PARITY:
        assert_equal(Engines(path, folder / "spark"))
    return Measured(on_duckdb, on_spark, documents, shuffled_by_table(log))


def main() -> None:
    """Print one row per size, and what each table shuffled at the largest."""
    console = Console(width=130)
    table = Table(
        "listings", "raw as Parquet", "DuckDB s", "DuckDB peak", "Spark s", "Spark peak", "shuffled", "marts equal",
        title=f"dbt build from raw JSON with all data tests; two threads, Spark local[2], JVM heap {MEMORY}",
    )  # fmt: skip
    for listings in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            one = measure(listings, Path(folder))
        total = sum(item.bytes for item in one.shuffled.values())
        table.add_row(
            f"{listings:,}", gib(one.documents), f"{one.duckdb.seconds:.1f}", gib(one.duckdb.peak),
            f"{one.spark.seconds:.1f}", gib(one.spark.peak), gib(total),
            "yes, each row" if listings <= PARITY else "not compared",
        )  # fmt: skip
        console.print(f"{listings:,} listings: DuckDB {one.duckdb.seconds:.1f} s, Spark {one.spark.seconds:.1f} s")
    console.print(table)
    shuffles = Table("made", "stages that shuffled", "bytes shuffled", title=f"Shuffled at {SIZES[-1]:,} listings")
    for name, item in sorted(one.shuffled.items(), key=lambda pair: -pair[1].bytes):
        shuffles.add_row(name or "tests and the rest", f"{item.stages}", gib(item.bytes))
    console.print(shuffles)
