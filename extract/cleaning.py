"""A song file to its clean tracks as one file, past the warehouse.

Belongs here: the way from file to file, in a database of its own that is gone afterwards. Not here: the rules, which
stand in the dbt project alone and are handed in as SQL; the reading of the file (song_files); its documents (dumps.py).
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from extract.dumps import documents
from extract.song_files import CLEAN, ReadingOptions, SongFile, contained, read, require_usable
from warehouse import files, raw
from warehouse.exports import FIRST_RULE_OF_THE_STUDY, STUDY_COLUMNS, copy_query
from warehouse.files import output_format, require_another_file, whole_or_not_there
from warehouse.progress import Progress, ignore

DATABASE = "memory"
"""The name of the database that the models are compiled for: dbt's target of that name."""

MEMORY_LIMIT = "270MB"  # DuckDB's; what does not fit waits on the disk, beside the output


@dataclass(frozen=True)
class CleaningModels:
    """The dbt project's cleaning in SQL, compiled for a database named `DATABASE`.

    `statements` make what the three queries read from schema `raw`, in this order.
    """

    statements: Sequence[str]
    clean_tracks: str
    rejected_listings: str
    cleaning_audit: str


@dataclass(frozen=True)
class CleaningReport:
    """What a cleaning did: the file as it was read, and each rule with the rows it took and left, in order."""

    file: SongFile
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
    options: ReadingOptions | None = None,
    progress: Progress = ignore,
) -> CleaningReport:
    """Write the clean tracks of the song file at `path` to `output`, the study's 18 columns in the order of the file.

    The file is read and landed as an import does it, in a database of its own, and the dbt project's compiled SQL is
    run over that: so the tracks are those that importing the file and `dbt build` would put into `marts.clean_tracks`,
    and so are the rejected listings with their reasons, written to `rejected` if that is given. Each file is written as
    its ending says (`warehouse.files.OUTPUT_FORMATS`), whole or not at all.

    Raises `SongFileError` as `extract.dumps.import_dump` does, and `OutputError`, before any work, for an output that
    cannot be written or is the file that is read.
    """
    stage = f"cleaning {path.name}"
    progress(stage, 0, 3)
    container = contained(path)
    outputs = [output, *([rejected] if rejected else [])]
    for target in outputs:
        output_format(target)
        require_another_file(path, target)
    if rejected and rejected.absolute() == output.absolute():
        raise files.OutputError(f"{output} is named both for the clean tracks and for the rejected. Name two files.")
    with ExitStack() as stack:
        unfinished = [stack.enter_context(whole_or_not_there(target)) for target in outputs]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".song-genres-", dir=output.parent))
        connection = stack.enter_context(files.connect(Path(folder) / f"{DATABASE}.duckdb"))
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        file = read(connection, container, CLEAN, options)
        progress(stage, 1, 3)
        raw.land(connection, raw.Dataset("", ""), documents(connection, file))
        for statement in models.statements:
            connection.execute(statement)
        audit = connection.execute(
            f"select rule, rows_removed, rows_after from ({models.cleaning_audit}) order by step"
        ).fetchall()
        unusable = sum(taken for _, taken, _ in audit[: [rule for rule, *_ in audit].index(FIRST_RULE_OF_THE_STUDY)])
        if unusable * 2 > file.listings:
            require_usable(connection, file)
        progress(stage, 2, 3)
        clean = f"select {', '.join(STUDY_COLUMNS)} from ({models.clean_tracks}) order by listing_id"
        copy_query(connection, clean, unfinished[0], output_format(output))
        if rejected:
            columns = "listing_id, spotify_track_id, song_name, artist_name, genre, rule, reason"
            listings = f"select {columns} from ({models.rejected_listings}) order by listing_id"
            copy_query(connection, listings, unfinished[1], output_format(rejected))
    progress(stage, 3, 3)
    return CleaningReport(file, audit)
