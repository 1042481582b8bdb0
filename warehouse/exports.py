"""Exports: the marts as files, for people who work without DuckDB, the study's notebooks among them.

Belongs here: which files, their columns, order and types, and how they are written. Not here: any judgement of a row,
which the dbt project has made, and what the columns mean, which the marts say themselves.

The study's two files are laid out as its notebooks read them. track_cleaning opens `audio_features_4.0.csv`, drops its
column `id` and then sees 14 columns of float64 and 4 of text; it writes `audio_features_4.0_clean.csv` without row ids.
So every number is written with a point, whole ones too, and reads back as the same double; what is unknown is empty.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.features import AUDIO_FEATURES
from warehouse.files import OutputFormat, WarehouseError, file_to_write, output_format, whole_or_not_there
from warehouse.progress import Progress, ignore

TEXTS = ("artist_name", "song_name", "genre", "spotify_track_id")
STUDY_COLUMNS = (*AUDIO_FEATURES, *TEXTS, "popularity")
LISTINGS = "audio_features_4.0.csv"
CLEAN_TRACKS = "audio_features_4.0_clean.csv"
README = "README.md"

FIRST_RULE_OF_THE_STUDY = "invalid_tempo_or_time_signature"
MEMORY_LIMIT = "400MB"  # DuckDB's; sorting more listings than fit into it goes through the disk


@dataclass(frozen=True)
class Export:
    """What was written: the folder, whose data they are, and the rows of each file (or raw table) by its name."""

    folder: Path
    dataset: str
    is_synthetic: bool
    rows: Mapping[str, int]


def default_folder(dataset: str) -> Path:
    """`exports/<dataset>` below the working directory; no two datasets share it.

    A name that cannot be a folder's is shortened and its signs replaced, so it gets a part of its SHA-256.
    """
    name = re.sub(r"[^\w.-]+", "_", dataset).lstrip(".")[:60] or "dataset"
    return Path("exports") / (name if name == dataset else f"{name}-{hashlib.sha256(dataset.encode()).hexdigest()[:6]}")


def export(connection: duckdb.DuckDBPyConnection, folder: Path | None = None, *, progress: Progress = ignore) -> Export:
    """Write the marts of `connection` (usually the published copy) into `folder`, by default `default_folder`.

    `audio_features_4.0_clean.csv` is clean_tracks: the study's 18 columns, in the order of listing_id.
    `audio_features_4.0.csv` is the listing that the study would have had: `id` (our listing_id), then the same columns,
    one row per listing, in the same order. The study knew only songs with audio features; a listing that a rule before
    its first one took (no readable document, no features, a value that cannot be one) has no row here, but is in
    rejected_listings with its reason. So the study's own cleaning of this file gives the other one, and
    listings = clean tracks + rejected listings can be checked from the files; README.md does the sum.
    `<mart>.parquet` is each mart as it stands.

    README.md says whose data they are and whether they are made up. It is removed first and written last; every file
    appears whole or not at all. Raises `WarehouseError` where the marts have not been built.
    """
    dataset, is_synthetic = _dataset(connection)
    folder = folder or default_folder(dataset)
    queries = _queries(connection)
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    rows: dict[str, int] = {}
    with ExitStack() as stack:
        # The last file entered takes its place first, so README.md, entered before the others, comes last.
        readme = stack.enter_context(whole_or_not_there(folder / README))
        for done, (name, query) in enumerate(queries.items()):
            progress("export", done, len(queries))
            unfinished = stack.enter_context(whole_or_not_there(folder / name))
            rows[name] = copy_query(connection, query, unfinished, output_format(folder / name))
        written = Export(folder, dataset, is_synthetic, rows)
        readme.write_text(_readme(connection, written), encoding="utf-8")
        (folder / README).unlink(missing_ok=True)
    progress("export", len(queries), len(queries))
    return written


def _dataset(connection: duckdb.DuckDBPyConnection) -> tuple[str, bool]:
    try:
        found = connection.execute("select dataset, is_synthetic from marts.cleaning_audit limit 1").fetchone()
    except duckdb.CatalogException:
        found = None
    if not found:
        raise WarehouseError("There are no marts to export. Build them with `make run`.")
    return found


def _queries(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What each file holds."""
    columns = ", ".join(name if name in TEXTS else f"{name}::double as {name}" for name in STUDY_COLUMNS)
    listings = f"""
        select listing_id as id, {columns} from intermediate.int_listings_joined
        where listing_id not in (select listing_id from marts.rejected_listings where rule in ({_EARLIER_RULES}))
        order by listing_id
    """
    marts = [
        name for (name,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts' order by all"
        ).fetchall()
    ]  # fmt: skip
    return {
        LISTINGS: listings,
        CLEAN_TRACKS: f"select {columns} from marts.clean_tracks order by listing_id",
        **{f"{name}.parquet": f'select * from marts."{name}"' for name in marts},
    }


_EARLIER_RULES = f"""
    select rule from marts.cleaning_audit
    where step < (select step from marts.cleaning_audit where rule = '{FIRST_RULE_OF_THE_STUDY}')
"""


def copy_query(connection: duckdb.DuckDBPyConnection, query: str, path: Path, written_as: OutputFormat) -> int:
    """Write the rows of `query` to `path`, replacing what is there; returns the number of rows."""
    copied = connection.execute(f"copy ({query}) to {file_to_write(path)} ({written_as.copy_options})").fetchone()
    return int((copied or (0,))[0])


def _readme(connection: duckdb.DuckDBPyConnection, written: Export) -> str:
    audit = connection.execute(
        "select rule, rows_removed, rows_after from marts.cleaning_audit order by step"
    ).fetchall()
    listings, taken = audit[0][2], {rule: removed for rule, removed, _ in audit}
    earlier = sum(taken[rule] for (rule,) in connection.execute(_EARLIER_RULES).fetchall())
    clean, rejected = written.rows[CLEAN_TRACKS], written.rows["rejected_listings.parquet"]
    lines = [
        f"# {written.dataset}",
        "",
        "**Synthetic data**: made up, and no music that exists." if written.is_synthetic else "Not synthetic.",
        "",
        "| file | rows |",
        "|---|---:|",
        *(f"| {name} | {count:,} |" for name, count in written.rows.items()),
        "",
        f"- {listings:,} listings = {clean:,} clean tracks + {rejected:,} rejected listings.",
        f"- {written.rows[LISTINGS]:,} of them stand in {LISTINGS}; the other {earlier:,} have no usable document or "
        "audio features. rejected_listings.parquet has each with its reason; its listing_id is the `id` here.",
        f"- {LISTINGS}, cleaned as the study did it, gives {CLEAN_TRACKS}. Both keep the order of the listings. "
        + _renamed(taken["renamed_repeat"]),
        "- pandas takes a song named NA, None or null for one without a name, unless it is told "
        '`pd.read_csv(file, keep_default_na=False, na_values=[""])`.',
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _renamed(count: int) -> str:
    if not count:
        return "No id has two names."
    return f"Except for {count:,} listings of an id under a second name: the study had none, and would have kept them."
