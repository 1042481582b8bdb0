"""A dump to its clean tracks, as one CSV, past the warehouse.

Belongs here: the way from file to file, in a DuckDB of its own that keeps little in memory. Not here: the rules, which
stand in the dbt project alone and are handed in as SQL; the reading of dumps (dumps.py).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from extract.dumps import StagedDump, require_usable, stage_dump, view_as_parsed_documents
from warehouse import raw
from warehouse.exports import FIRST_RULE_OF_THE_STUDY, copy_to, study_columns
from warehouse.progress import Progress, ignore

MEMORY_LIMIT = "270MB"  # DuckDB's; what does not fit waits on the disk, beside the output


@dataclass(frozen=True)
class CleaningModels:
    """The dbt project's cleaning in SQL, compiled for a database named memory and for documents that are parsed.

    `statements` make what the three queries read from schema `raw`, in this order.
    """

    statements: Sequence[str]
    clean_tracks: str
    rejected_listings: str
    cleaning_audit: str


@dataclass(frozen=True)
class CleaningReport:
    """What a cleaning did: the layout of the dump, and each rule with the rows it took and left, in order."""

    layout: str
    audit: Sequence[tuple[str, int, int]]

    @property
    def clean(self) -> int:
        """How many clean tracks were written."""
        return self.audit[-1][2]


def clean_dump(
    path: Path,
    output: Path,
    models: CleaningModels,
    *,
    rejected: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress = ignore,
) -> CleaningReport:
    """Write the clean tracks of the dump at `path` to `output`, the study's 18 columns in download order.

    They are what importing the dump, `dbt build` and `warehouse.exports.export` would give, and so are the rejected
    listings with their reasons, written to `rejected` if that is given (a reason quotes 4.50 as it stands in the file,
    where a JSON document says 4.5). Both are CSV and appear whole or not at all.

    Raises `DumpError` as `extract.dumps.import_dump` does.
    """
    stage = f"cleaning {path.name}"
    progress(stage, 0, 3)
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".song-genres-", dir=output.parent) as spill,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}) as connection,
    ):
        dump = stage_dump(connection, path, mapping or {})
        progress(stage, 1, 3)
        _present(connection, dump)
        for statement in models.statements:
            connection.execute(statement)
        audit = connection.execute(
            f"select rule, rows_removed, rows_after from ({models.cleaning_audit}) order by step"
        ).fetchall()
        unusable = sum(taken for _, taken, _ in audit[: [rule for rule, *_ in audit].index(FIRST_RULE_OF_THE_STUDY)])
        if unusable * 2 > dump.listings:
            require_usable(connection, dump)
        progress(stage, 2, 3)
        clean = f"select {study_columns()} from ({models.clean_tracks}) order by listing_id"
        copy_to(connection, clean, output)
        if rejected:
            columns = "listing_id, spotify_track_id, song_name, artist_name, genre, rule, reason"
            rejected.parent.mkdir(parents=True, exist_ok=True)
            copy_to(connection, f"select {columns} from ({models.rejected_listings}) order by listing_id", rejected)
    progress(stage, 3, 3)
    return CleaningReport(dump.layout.name, audit)


def _present(connection: duckdb.DuckDBPyConnection, dump: StagedDump) -> None:
    """The dump in schema raw, as if it had been landed and were the active dataset."""
    raw.create_raw_tables(connection)
    connection.execute("drop table raw.tracks")
    connection.execute("drop table raw.audio_features")
    connection.execute("alter table raw.popularity add column payload_parsed struct(popularity varchar)")
    connection.execute("insert into raw.datasets values (?, ?, false, true, null, ?)", ["", "", raw.now()])
    view_as_parsed_documents(connection, dump, dataset="")
