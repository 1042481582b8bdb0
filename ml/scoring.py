"""Genres of songs, from a fitted model.

Belongs here: checking, scoring and writing songs batch by batch, so that memory does not grow with their number. Not
here: reading a person's file (extract/song_files; orchestration/songs.py puts the two together), the clean tracks
(predictions.py), and the model (model_file.py).
"""

import gzip
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ml.dataset import ModelError
from ml.inputs import TEXTS
from ml.model_file import Model
from ml.predictions import BATCH, RANKS, guess
from warehouse.features import AUDIO_FEATURES, ENOUGH, SOUND, feature_ranges
from warehouse.files import OutputFormat, identifier, output_format, quoted, whole_or_not_there
from warehouse.progress import Progress, ignore
from warehouse.values import problem, release_year, usable_number

PROBLEMS_SHOWN = 5
SEPARATOR = "; "
"""What stands between the genres of a set."""


@dataclass(frozen=True)
class Songs:
    """Songs that DuckDB can read.

    `name` is what errors call them, and `source` the table or view that holds them, in their order. `types` are their
    own columns, each with the type (DuckDB's) that it is given back as, and `fields` is our field (the audio features,
    song_name, album_name and album_release_date) -> its column. `texts` is our field -> its text as SQL, for those that
    are read otherwise than they stand. `reason` is SQL: why a row could not be read at all, else NULL.
    """

    name: str
    source: str
    types: Mapping[str, str]
    fields: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    reason: str = "null::varchar"

    def text(self, name: str) -> str:
        """Our field's text as SQL."""
        return f"{self.texts.get(name) or identifier(self.fields[name])}::varchar"


@dataclass
class Tally:
    """What was found in songs.

    `songs` is their number, `problem_rows` that of those with a value that cannot be used, and `problems` names the
    first of these, each with its row (1 is the first song) and column.
    """

    songs: int = 0
    problem_rows: int = 0
    problems: list[str] = field(default_factory=list)

    def require_mostly_usable(self, source: Path | str) -> None:
        """Raise `ModelError` where more than half of the songs of `source` have a problem."""
        if self.problem_rows * 2 > self.songs:
            shown = "\n  ".join(self.problems[:2])
            raise ModelError(
                f"{source}: {self.problem_rows:,} of {self.songs:,} songs have a value that cannot be used, more "
                f"than half. Are the columns what their names say, in the same units? The first:\n  {shown}"
            )


@dataclass(frozen=True)
class Rules:
    """How songs with certain columns are checked and scored, on this machine or on Spark.

    `query` has DuckDB check the songs: it gives their own columns, what a model reads, missing_features, problems, and
    whether the row could not be read at all. `schema` is that of the scored songs.
    """

    query: str
    schema: pa.Schema


@dataclass(kw_only=True)
class Scoring(Tally):
    """Songs being scored: iterate over it once for the tables, `batch` songs each, of the columns `schema`.

    Meanwhile it counts. At the end iterating raises `ModelError` where more than half of the songs have a problem.
    """

    model: Model
    connection: duckdb.DuckDBPyConnection
    name: str
    rules: Rules
    batch: int
    progress: Progress

    @property
    def schema(self) -> pa.Schema:
        """The columns of the tables."""
        return self.rules.schema

    def __iter__(self) -> Generator[pa.Table, None, None]:
        """Check and score the songs, batch by batch."""
        with readable(self.name):
            for table in score_batches(self.model, self.rules, self.connection, batch=self.batch):
                self._count(table)
                yield table
        self.require_mostly_usable(self.name)

    def _count(self, table: pa.Table) -> None:
        problems = table["problems"]
        found = np.flatnonzero(pc.not_equal(problems, "").to_numpy())
        for row in found[: PROBLEMS_SHOWN - len(self.problems)]:
            self.problems.append(f"row {self.songs + row + 1:,}, {problems[int(row)]}")
        self.problem_rows += len(found)
        self.songs += len(table)
        self.progress("predict", self.songs, None)


def score_batches(
    model: Model, rules: Rules, connection: duckdb.DuckDBPyConnection, *, batch: int = BATCH
) -> Iterator[pa.Table]:
    """Check the songs that the rules' query reads, and score them: tables of `batch` songs (the last may be shorter).

    A few batches are held at once, with what DuckDB reads ahead, however many songs there are.
    """
    reader = connection.sql(rules.query).to_arrow_reader(batch)
    yield from _in_the_background(lambda songs: _score(model, rules.schema, songs), _in_batches(reader, batch))


def _score(model: Model, schema: pa.Schema, songs: pa.Table) -> pa.Table:
    inputs = songs.select([_input(name) for name in model.columns]).to_pandas()
    inputs.columns = model.columns
    found = guess(model, inputs)
    genres = pa.array(model.genres.tolist(), pa.string())
    scored = {}
    for rank in range(found.numbers.shape[1]):
        scored[f"genre_{rank + 1}"] = genres.take(pa.array(found.numbers[:, rank]))
        scored[f"probability_{rank + 1}"] = pa.array(found.probabilities[:, rank])
    scored["genre_set"] = pc.binary_join(found.sets, SEPARATOR)
    scored["genre_set_size"] = pc.list_value_length(found.sets)
    if pc.any(songs[UNREADABLE]).as_py():  # of a row that could not be read nothing is known, and nothing is said
        scored = {name: pc.if_else(songs[UNREADABLE], None, column) for name, column in scored.items()}
    scored["model"] = pa.repeat(model.run_id, len(songs))
    scored["model_data"] = pa.repeat("synthetic" if model.is_synthetic else "real", len(songs))
    columns = [scored[name] if name in scored else songs[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def _in_the_background(score: Callable[[pa.Table], pa.Table], batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Each batch scored, in order, while the next is read and the last is written."""
    # One thread: scikit-learn changes the process's warning filters while trees predict, which two would mix up.
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[pa.Table]] = deque()
        for batch in batches:
            waiting.append(thread.submit(score, batch))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def score_songs(
    model: Model,
    songs: Songs,
    connection: duckdb.DuckDBPyConnection,
    *,
    batch: int = BATCH,
    progress: Progress = ignore,
) -> Scoring:
    """Score the songs that are in a table or view of `connection`; none is read before the result is iterated over.

    The tables have the songs' own columns that are no features, then genre_1 to genre_5 with probability_1 to
    probability_5 (0 to 1; NULL where the row could not be read), `genre_set` (the genres among which the right one is
    nine times in ten, the most probable first, with "; " between them) and `genre_set_size` (how many they are; both
    NULL for a model of an earlier version, which has no threshold), `missing_features` (comma-separated: of the columns
    that the model reads, those that are unknown; the model decides what stands for one, mostly the training part's
    median), `problems` (values that cannot be used, such as "column tempo: '1000' is not within 0 to 300"; they count
    as missing), `model`, and `model_data` ("synthetic" or "real": what it was trained on).

    Raises `ModelError`: too few audio features, or a column that is called like one of those added.
    """
    with readable(songs.name):
        rules = rules_for(model, songs, connection)
    return Scoring(
        model=model, connection=connection, name=songs.name, rules=rules, batch=batch, progress=progress
    )  # fmt: skip


def rules_for(model: Model, songs: Songs, connection: duckdb.DuckDBPyConnection) -> Rules:
    """The rules for songs like these.

    Raises `ModelError`: too few audio features, or for a model that does not read the sound nothing of what it reads,
    or a column that is called like one of those added.
    """
    if reads_sound(model) and len(set(SOUND) & set(songs.fields)) < ENOUGH:
        raise ModelError(
            f"{songs.name} has too few audio features: at least {ENOUGH} of {', '.join(SOUND)}. It has the columns: "
            f"{', '.join(songs.types)}."
        )
    if len(absent(model, songs.fields)) == len(model.columns):
        wanted = FIELDS.get(model.columns[0], model.columns[0])
        raise ModelError(
            f"{songs.name} has nothing of what the model reads: {', '.join(model.columns)}. It has the columns: "
            f"{', '.join(songs.types)}. If one has it under another name, say so: --map {wanted}=COLUMN"
        )
    ranks = range(1, min(RANKS, len(model.genres)) + 1)
    added = {
        **{column: kind for rank in ranks for column, kind in ((f"genre_{rank}", pa.string()),
                                                               (f"probability_{rank}", pa.float64()))},
        "genre_set": pa.string(),
        "genre_set_size": pa.int32(),
        **dict.fromkeys(("missing_features", "problems", "model", "model_data"), pa.string()),
    }  # fmt: skip
    if clash := [column for column in songs.types if column.lower() in added]:
        raise ModelError(f"{songs.name} has columns that scoring adds: {', '.join(clash)}. Rename or remove them.")
    features = {songs.fields[name] for name in AUDIO_FEATURES if name in songs.fields}
    own = [column for column in songs.types if column not in features]
    query = _query(songs, own, model.columns)
    kept = connection.sql(query).limit(0).to_arrow_table().select(own).schema
    return Rules(query, pa.schema([*kept, *(pa.field(column, kind) for column, kind in added.items())]))


def reads_sound(model: Model) -> bool:
    """Whether the model reads audio features."""
    return not set(model.columns).isdisjoint(AUDIO_FEATURES)


def absent(model: Model, fields: Collection[str]) -> list[str]:
    """The columns that the model reads and a file of these fields does not have: unknown of each of its songs."""
    return [name for name in model.columns if FIELDS.get(name, name) not in fields]


def connect(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory to read and check songs with; what does not fit into memory waits in the folder `spill`.

    One thread reads as fast as scoring wants, keeps the order of the songs, and holds few of them at once.
    """
    limit = "160MB" if spill else "512MB"  # what is on the disk is read batch by batch
    config: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "memory_limit": limit}
    connection = duckdb.connect(config=config | ({"temp_directory": str(spill)} if spill else {}))
    connection.execute("set enable_progress_bar = false")  # it is drawn on standard output, among the songs
    connection.execute("set timezone = 'UTC'")  # what moments are written in
    return connection


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """An error of DuckDB, Arrow or the disk within the block becomes a `ModelError` that names the file."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        # DuckDB's further lines are the row and what to set in DuckDB.
        words = str(error).partition("\nPossible")[0].partition("\n\nLINE")[0]
        raise ModelError(f"{path} cannot be read: {' '.join(words.split())[:400]}") from error


def _in_batches(reader: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` (the last may be shorter): every batch takes about the same memory."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for part in reader:
        waiting.append(part)
        rows += len(part)
        while rows >= size:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, size).combine_chunks()
            waiting, rows = table.slice(size).to_batches(), rows - size
    if rows:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _input(name: str) -> str:
    """The query's column for what the model reads; a file has none of that name."""
    return f"song-genres {name}"


FIELDS = {"release_year": "album_release_date"}
"""The field of a file that a column of the model is made from, where it is another one."""

FOUND = '"song-genres found"'
UNREADABLE = "song-genres unreadable"
"""The query's column that says whether the row could not be read at all."""


def _query(songs: Songs, own: list[str], read: Sequence[str]) -> str:
    """Each song's own columns, those that the model reads, what is missing of them, and what cannot be used and why."""
    texts, inputs, missing, problems = [], [], [], [songs.reason]
    ranges = feature_ranges()
    for name in read:
        given = identifier(_input(name))
        missing.append(f"case when {given} is null then {quoted(name)} end")
        field = FIELDS.get(name, name)
        if field not in songs.fields:
            inputs.append(f"null::{'varchar' if name in TEXTS else 'double'} as {given}")
            continue
        text = identifier(f"text of {_input(name)}")
        texts.append(f"{songs.text(field)} as {text}")
        if name in TEXTS:
            inputs.append(f"nullif(trim({text}), '') as {given}")
        elif name == "release_year":
            inputs.append(f"{release_year(text)} as {given}")
        else:
            inputs.append(f"{usable_number(name, text, *ranges[name])} as {given}")
            problems.append(problem(name, songs.fields[name], text, *ranges[name], may_be_missing=True))
    # Of nested values CSV can write no other form.
    kept = [
        f"to_json({identifier(name)})::varchar as {identifier(name)}"
        if songs.types[name].endswith("]") or songs.types[name].startswith(("STRUCT", "MAP", "UNION"))
        else f"{identifier(name)}::{songs.types[name]} as {identifier(name)}"
        for name in own
    ]
    return f"""
        select * exclude ({FOUND}), concat_ws(', ', {", ".join(missing)}) as missing_features,
            concat_ws('; ', {FOUND}) as problems
        from (
            select {", ".join([*kept, *inputs])}, {songs.reason} is not null as {identifier(UNREADABLE)},
                [{", ".join(problems)}] as {FOUND}
            from (select *{"".join(f", {text}" for text in texts)} from {songs.source})
        )
        """


def write_songs(scoring: Scoring, output: Path | BinaryIO, *, written_as: OutputFormat | None = None) -> None:
    """Score the songs into a file, written as its ending says, or onto a stream of binary.

    Memory does not grow with the songs, and nothing is written unless every song could be scored: of a file there is no
    half, and a stream gets its first byte at the end. `written_as` is by default what the file's ending says, and CSV
    on a stream. Raises `OutputError`: an unknown ending, or a file that cannot be written; and what `Scoring` raises.
    """
    if isinstance(output, Path):
        written_as = written_as or output_format(output)
        with whole_or_not_there(output) as unfinished:
            _write(scoring, unfinished, written_as)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "songs"
        _write(scoring, path, written_as or OutputFormat("csv"))
        with path.open("rb") as file:
            shutil.copyfileobj(file, output)


def _write(scoring: Scoring, path: Path, written_as: OutputFormat) -> None:
    with gzip.open(path, "wb") if written_as.is_gzipped else path.open("wb") as file:
        if written_as.kind == "jsonl":
            with connect() as connection:
                for songs in scoring:
                    connection.register("songs", songs)
                    for (line,) in connection.execute("select to_json(songs)::varchar from songs").fetchall():
                        file.write(f"{line}\n".encode())
            return
        if written_as.kind == "parquet":
            writer = pq.ParquetWriter(file, scoring.schema)
        else:
            writer = pa_csv.CSVWriter(file, scoring.schema, write_options=pa_csv.WriteOptions(quoting_header="needed"))
        with writer:
            for songs in scoring:
                writer.write_table(songs)
