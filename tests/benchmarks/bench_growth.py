"""`dbt build` of a tenth, the whole and ten times the study's listing: how time and memory grow with the rows.

Unit tests are left out: they need no data. `GROWTH_LISTINGS="20000 200000"` for a quick look; each size is built
`GROWTH_RUNS` times (1), of which the median is shown.
"""

import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import Usage, dbt, dbt_results, gib, median
from tests.dbt_project.study_listing import land_listing, make_listing
from warehouse import files

SIZES = [int(size) for size in os.environ.get("GROWTH_LISTINGS", "91667 916668 9166680").split()]
RUNS = int(os.environ.get("GROWTH_RUNS", "1"))
MEMORY_LIMIT = os.environ.get("WAREHOUSE_MEMORY_LIMIT", "5GB")
"""DuckDB's own; what dbt, Python and the allocator need comes on top."""


def build(listings: int) -> tuple[Usage, float, int]:
    """Usage of the whole command, seconds from the first node to the last, and the warehouse's bytes after it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with files.connect(path) as connection:
            connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            make_listing(connection, listings)
            land_listing(connection, "crawl")
        usages, nodes = [], []
        for _ in range(RUNS):
            usages.append(
                dbt(path, "build", "--exclude", "resource_type:unit_test", WAREHOUSE_MEMORY_LIMIT=MEMORY_LIMIT)
            )
            nodes.append(dbt_results(path)[0])
        return median(usages), sorted(nodes)[len(nodes) // 2], path.stat().st_size


def main() -> None:
    """Print one row per size."""
    table = Table(
        "listings", "seconds", "of them in nodes", "rows x", "seconds in nodes x", "peak memory", "file",
        title=f"dbt build from raw JSON with all data tests; memory_limit {MEMORY_LIMIT}, two threads",
    )  # fmt: skip
    earlier: tuple[int, float] | None = None
    for listings in SIZES:
        usage, nodes, size = build(listings)
        ratios = (f"{listings / earlier[0]:.1f}", f"{nodes / earlier[1]:.1f}") if earlier else ("", "")
        table.add_row(
            f"{listings:,}", f"{usage.seconds:.1f}", f"{nodes:.1f}", *ratios, gib(usage.peak), gib(size)
        )  # fmt: skip
        earlier = listings, nodes
    table.caption = f"Runs of each size: {RUNS}. What is not in nodes is dbt's start, which does not grow."
    Console(width=120).print(table)
