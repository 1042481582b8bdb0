"""Importing one listing written in several ways: the study's layout, keys as words, percents, and decimal commas.

`FILES_LISTINGS=20000` for a quick look.
"""

import os
import tempfile
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import BIN, RUNS, Usage, gib, median, run, spread
from tests.dbt_project.study_listing import STUDY_COLUMNS, make_listing
from warehouse.features import shares

LISTINGS = int(os.environ.get("FILES_LISTINGS", "916668"))
KEYS = "['C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B']"
WAYS = {
    "the study's layout": ([], ","),
    "keys, modes and time signatures as words": (
        [
            f"{KEYS}[key + 1] as key",
            "case mode when 1 then 'Major' else 'Minor' end as mode",
            "time_signature::varchar || '/4' as time_signature",
        ],
        ",",
    ),
    "percents": ([f"round({name} * 100, 2) as {name}" for name in shares()], ","),
    "decimal commas": (
        [f"replace({name}::varchar, '.', ',') as {name}" for name in (*shares(), "loudness", "tempo")], ";"
    ),
}  # fmt: skip
"""What each file replaces in the listing, and what separates its columns."""


def write_files(folder: Path) -> dict[str, Path]:
    """The listing in each of the ways."""
    columns = ", ".join(STUDY_COLUMNS)
    with duckdb.connect() as connection:
        make_listing(connection, LISTINGS)
        connection.execute(f"create table kept as select {columns} from listing order by listing_id")
        for number, (changes, separator) in enumerate(WAYS.values()):
            replaced = f"* replace ({', '.join(changes)})" if changes else "*"
            connection.execute(
                f"copy (select {replaced} from kept) to '{folder}/{number}.csv' (header, delim '{separator}')"
            )
    return {name: folder / f"{number}.csv" for number, name in enumerate(WAYS)}


def main() -> None:
    """Print the table: seconds and memory of each import, a whole process, in turns."""
    with tempfile.TemporaryDirectory() as name:
        files = write_files(Path(name))
        usages: dict[str, list[Usage]] = {way: [] for way in files}
        for _ in range(RUNS):
            for way, path in files.items():
                warehouse = Path(name) / "warehouse.duckdb"
                warehouse.unlink(missing_ok=True)
                usages[way].append(run([BIN / "song-genres", "import", path], WAREHOUSE_PATH=str(warehouse)))
    plain = median(next(iter(usages.values()))).seconds
    table = Table("", "seconds", "runs", "times", "peak memory", title=f"CSV to raw documents: {LISTINGS:,} listings")
    for way, found in usages.items():
        seconds, peak = median(found)
        table.add_row(way, f"{seconds:.1f}", spread(found), f"{seconds / plain:.2f}", gib(peak))
    Console(width=120).print(table)
