"""`dbt build` of the study's full listing from raw JSON, all tests: seconds, memory, where they go, and the limit.

Beside it the same work in one SQL file for DuckDB (build_by_hand.sql) and in polars (build_by_hand.py), whose tables
are compared with the marts. Then a crawl adds 1 % of listings: what the next build costs beside a full one, which is
all that incremental models could save. `BUILD_LISTINGS=20000` for a quick look; `LARGE=1` for ten times the rows too.
"""

import os
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from tests.benchmarks import bench_growth
from tests.benchmarks.measuring import BIN, RUNS, Usage, dbt, dbt_results, gib, median, median_seconds, run, spread
from tests.dbt_project.study_listing import land_listing, make_listing
from warehouse import files
from warehouse.raw import Dataset, land

LISTINGS = int(os.environ.get("BUILD_LISTINGS", "916668"))
SHOWN = 15
POLARS = "polars==2.1.0"
BY_HAND = Path(__file__).with_name("build_by_hand.sql")
RUN_SQL = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute(open(sys.argv[2]).read())"
COMPARED = (
    "clean_tracks", "rejected_listings", "track_details", "albums", "artists", "genre_overlap", "genre_summary",
)  # fmt: skip
KINDS = {"model": "models", "test": "data tests", "unit_test": "unit tests", "seed": "seeds"}


def land_documents(path: Path) -> tuple[int, float]:
    """Land the listing as a crawl would; returns the bytes of JSON and the seconds of the plainest scan of them."""
    with files.connect(path) as connection:
        make_listing(connection, LISTINGS)
        land_listing(connection, "crawl")
        connection.execute("checkpoint")
    with files.connect(path, read_only=True) as connection:
        connection.execute("set threads = 2")
        documents = "(select payload from raw.tracks union all select payload from raw.audio_features)"
        (size,) = connection.execute(f"select sum(strlen(payload))::bigint from {documents}").fetchone() or (0,)
        scan = f"select count(*) from {documents} where json_valid(payload)"
        return int(size), median_seconds(lambda: connection.execute(scan).fetchall())


def where_the_time_goes(path: Path, whole: Usage) -> tuple[Table, float]:
    """The nodes that took longest and the sums by kind; and the seconds of the model that parses the documents."""
    elapsed, results = dbt_results(path)
    sums: Counter[str] = Counter()
    nodes: dict[str, float] = {}
    for result in results:
        kind, _, name = result["unique_id"].split(".")[:3]
        sums[KINDS.get(kind, "hooks")] += result["execution_time"]
        nodes[f"{name} ({kind})"] = result["execution_time"]
    table = Table("", "seconds", title="Where the time of the last build goes (two nodes run side by side)")
    for name, spent in sorted(nodes.items(), key=lambda pair: -pair[1])[:SHOWN]:
        table.add_row(name, f"{spent:.2f}")
    table.add_section()
    for kind, spent in sums.most_common():
        table.add_row(f"all {kind}, added up", f"{spent:.1f}")
    table.add_row("from the first node to the last", f"{elapsed:.1f}")
    table.add_row("dbt's start and end", f"{whole.seconds - elapsed:.1f}")
    return table, nodes["int_listings_joined (model)"]


def checksum(connection: duckdb.DuckDBPyConnection, table: str, columns: list[tuple[str, str]]) -> tuple[int, int]:
    """Rows of the table, and a number that is the same for the same rows in any order (doubles to seven digits)."""
    # A mean that ends in a 5 after seven digits would be rounded up or down by the order in which it was summed.
    values = ", ".join(
        f"printf('%.7g', {name} * (1 + 1e-9))" if kind == "DOUBLE" else f"{name}::varchar" for name, kind in columns
    )
    query = f"select count(*), coalesce(sum(hash(row({values})::varchar)), 0)::hugeint from {table}"
    rows, total = connection.execute(query).fetchone() or (0, 0)
    return rows, total


def require_same_tables(path: Path, by_hand: dict[str, str]) -> list[str]:
    """Raise `SystemExit` where a table made by hand differs from dbt's in a column that both have; returns its rows.

    `by_hand`: for each way, the table as SQL has it, with NAME in the place of its name. The sentences of the reasons
    are each way's own.
    """
    found = []
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as dbt (read_only)")
        connection.execute(f"attach '{path.parent}/by_hand.duckdb' as by_hand (read_only)")
        for name in COMPARED:
            ours = f"dbt.marts.{name}"
            kinds = {column: kind for column, kind, *_ in connection.execute(f"describe {ours}").fetchall()}
            for way, pattern in by_hand.items():
                theirs = pattern.replace("NAME", name)
                held = {column for column, *_ in connection.execute(f"describe from {theirs}").fetchall()}
                columns = [(column, kind) for column, kind in kinds.items() if column in held and column != "reason"]
                expected, given = checksum(connection, ours, columns), checksum(connection, theirs, columns)
                if expected != given:
                    raise SystemExit(f"{name} made {way} differs from dbt's: {given}, not {expected} (rows, checksum)")
            found.append(f"{name} {expected[0]:,}")
    return found


def build_by_hand(path: Path) -> tuple[dict[str, list[Usage]], list[str]]:
    """Measure both ways by hand on the documents as Parquet, in turns; and compare their tables with the marts."""
    folder = path.parent
    with files.connect(path, read_only=True) as connection:
        for table in ("tracks", "audio_features"):
            connection.execute(f"copy raw.{table} to '{folder}/{table}.parquet'")
    run([BIN / "uv", "venv", folder / "polars"])
    run([BIN / "uv", "pip", "install", "--python", folder / "polars", POLARS])
    ways: dict[str, list[Usage]] = {"in one SQL file": [], f"in {POLARS}": []}
    script = BY_HAND.with_suffix(".py")
    for _ in range(RUNS):
        (folder / "by_hand.duckdb").unlink(missing_ok=True)
        sql, polars = ways.values()
        sql.append(run([BIN / "python", "-c", RUN_SQL, folder / "by_hand.duckdb", BY_HAND], cwd=folder))
        polars.append(run([folder / "polars" / "bin" / "python", script, folder], POLARS_MAX_THREADS="2"))
    tables = dict(zip(ways, ("by_hand.NAME", f"'{folder}/by_polars/NAME.parquet'"), strict=True))
    return ways, require_same_tables(path, tables)


def add_one_percent(path: Path) -> None:
    """A crawl goes on: 1 % more listings, each of a track that is known already, and a tenth of new tracks."""
    with files.connect(path) as connection:
        more = LISTINGS // 100
        tracks = connection.sql(
            f"""
            select row_number() over () as listing_id, 'Genre 1' as genre, artist_name,
                case when listing_id % 10 = 0 then 'new ' || track_id else track_id end as track_id,
                case when listing_id % 10 = 0 then replace(payload, track_id, 'new ' || track_id) else payload end
                    as payload
            from raw.tracks where listing_id <= {more}
            """
        )
        audio_features = connection.sql(
            f"""
            select 'new ' || tracks.track_id as track_id, any_value(documents.payload) as payload
            from raw.tracks as tracks
            inner join raw.audio_features as documents on tracks.track_id = documents.track_id
            where tracks.listing_id <= {more} and tracks.listing_id % 10 = 0
            group by tracks.track_id
            """
        )
        land(connection, Dataset("study", "sandbox", is_synthetic=True), {
            "tracks": tracks, "audio_features": audio_features,
        })  # fmt: skip


def main() -> None:
    """Print the table of the builds, and that of where the time goes."""
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        size, scan = land_documents(path)
        builds = [dbt(path, "build") for _ in range(RUNS)]
        nodes, parsing = where_the_time_goes(path, median(builds))
        by_hand, compared = build_by_hand(path)
        without = [dbt(path, "build", "--exclude", "resource_type:unit_test") for _ in range(RUNS)]
        add_one_percent(path)
        after = [dbt(path, "build", "--exclude", "resource_type:unit_test") for _ in range(RUNS)]
    table = Table("", "seconds", "runs", "peak memory", title=f"dbt build: {LISTINGS:,} listings, {gib(size)} of JSON")
    for name, usages in (
        ("all models, data tests and unit tests", builds),
        *((f"by hand {way}: {len(COMPARED)} marts, no tests", usages) for way, usages in by_hand.items()),
        ("without the unit tests, which need no data", without),
        ("the same after a crawl that added 1 %", after),
    ):
        table.add_row(name, f"{median(usages).seconds:.1f}", spread(usages), gib(median(usages).peak))
    table.caption = (
        f"Medians of {RUNS}. A plain scan of the same documents (json_valid, two threads): {scan:.1f} s; the model "
        f"that parses, joins and writes them: {parsing:.1f} s, {parsing / scan:.1f} times that. Made by hand, these "
        f"tables are the same in every column that both have: {'; '.join(compared)}."
    )
    console.print(table)
    console.print(nodes)
    if os.environ.get("LARGE"):
        bench_growth.main()
