"""Genres of the songs in a user's file, from a fitted model.

Belongs here: reading, checking, scoring and writing songs batch by batch, so that memory does not grow with their
number. Not here: the clean tracks (predictions.py), and the model (model_file.py).
"""

import csv
import gzip
import shutil
import sys
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ml.dataset import ModelError
from ml.model_file import Model
from ml.predictions import BATCH, RANKS, first_genres
from warehouse.features import AUDIO_FEATURES, feature_ranges
from warehouse.files import quoted, whole_or_not_there
from warehouse.progress import Progress

FORMATS = {"csv": "csv", "tsv": "csv", "parquet": "parquet", "jsonl": "jsonl", "ndjson": "jsonl"}
"""What a file's ending says of its format."""

OPTIONAL = ("time_signature",)  # known of few songs outside Spotify: where the column is missing, so is the value
TITLES = ("song_name", "track_name", "name")  # ours; TidyTuesday's and Kaggle's; Spotify's
MISSING = r"('', 'nan', 'na', 'n/a', 'null', 'none', '\n')"  # in lower case; \N is what MySQL writes
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
           "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")  # fmt: skip
PROBLEMS_SHOWN = 5


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
            shown = "\n  ".join(self.problems)
            raise ModelError(
                f"{source}: {self.problem_rows:,} of {self.songs:,} songs have a value that cannot be used, more "
                f"than half. Are the columns what their names say, in the same units? The first:\n  {shown}"
            )


@dataclass(frozen=True)
class Rules:
    """How songs of certain columns are checked and scored, whoever reads them.

    `query` has DuckDB check the songs: it gives their own columns, what a model reads, missing_features and problems.
    `schema` is that of the scored songs.
    """

    query: str
    schema: pa.Schema


@dataclass(kw_only=True)
class Scoring(Tally):
    """Songs of a file being scored: iterate over it once for the tables, `batch` songs each, of the columns `schema`.

    Meanwhile it counts. Iterating raises `ModelError` where a row cannot be read, and at the end where more than half
    of the songs have a problem.
    """

    model: Model
    path: Path
    rules: Rules
    batch: int
    progress: Progress

    @property
    def schema(self) -> pa.Schema:
        """The columns of the tables."""
        return self.rules.schema

    def __iter__(self) -> Iterator[pa.Table]:
        """Read, check and score the songs, batch by batch."""
        with connect() as connection, readable(self.path):
            for table in score_batches(self.model, self.rules, connection, batch=self.batch):
                self._count(table)
                yield table
        self.require_mostly_usable(self.path)

    def _count(self, table: pa.Table) -> None:
        problems = table["problems"]
        found = np.flatnonzero(pc.not_equal(problems, "").to_numpy())
        for row in found[: PROBLEMS_SHOWN - len(self.problems)]:
            self.problems.append(f"row {self.songs + row + 1:,}: {problems[int(row)]}")
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
    numbers, probabilities = first_genres(model, inputs)
    genres = pa.array(model.genres.tolist(), pa.string())
    scored = {}
    for rank in range(numbers.shape[1]):
        scored[f"genre_{rank + 1}"] = genres.take(pa.array(numbers[:, rank]))
        scored[f"probability_{rank + 1}"] = pa.array(probabilities[:, rank])
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
    path: Path,
    *,
    file_format: str | None = None,
    batch: int = BATCH,
    progress: Progress = lambda *_: None,
) -> Scoring:
    """Score the songs in a CSV (also .gz), Parquet or JSON-lines file; nothing but the header is read yet.

    The tables have the file's own columns that are no features, then genre_1 to genre_5 with probability_1 to
    probability_5 (0 to 1), `missing_features` (comma-separated; what a missing one is taken for is the model's affair,
    mostly the training part's median), `problems` (values that are no number or out of range, such as "tempo is 1000,
    not from 0 to 300"; they count as missing), `model`, and `model_data` ("synthetic" or "real": what it was trained
    on). Features are recognised by their names, upper or lower case; a title also as track_name or name.

    `file_format` is a value of `FORMATS`; by default the ending says it. Raises `ModelError`: no such file, not such a
    format, a missing audio-feature column, or a column that is called like one of those added.
    """
    file_format = file_format or _format(path)
    with connect() as connection, readable(path):
        source, types = _source(connection, path, file_format)
        rules = rules_for(model, path, connection, source, types)
    return Scoring(model=model, path=path, rules=rules, batch=batch, progress=progress)


def rules_for(
    model: Model, name: Path | str, connection: duckdb.DuckDBPyConnection, source: str, types: dict[str, str]
) -> Rules:
    """The rules for songs called `name`, which DuckDB reads with `source` as columns of these `types` (DuckDB's).

    Raises `ModelError`: a missing audio-feature column, or a column that is called like one of those added.
    """
    by_name = {column.lower(): column for column in types}
    if missing := [feature for feature in AUDIO_FEATURES if feature not in by_name and feature not in OPTIONAL]:
        raise ModelError(f"{name} lacks the columns {', '.join(missing)}. It has: {', '.join(types)}.")
    ranks = range(1, min(RANKS, len(model.genres)) + 1)
    added = {
        **{column: kind for rank in ranks for column, kind in ((f"genre_{rank}", pa.string()),
                                                               (f"probability_{rank}", pa.float64()))},
        **dict.fromkeys(("missing_features", "problems", "model", "model_data"), pa.string()),
    }  # fmt: skip
    if clash := [by_name[column] for column in added if column in by_name]:
        raise ModelError(f"{name} has columns that scoring adds: {', '.join(clash)}. Rename or remove them.")
    own = [column for column in types if column.lower() not in AUDIO_FEATURES]
    query = _query(source, types, by_name, own, with_title="song_name" in model.columns)
    kept = connection.sql(query).limit(0).to_arrow_table().select(own).schema
    return Rules(query, pa.schema([*kept, *(pa.field(column, kind) for column, kind in added.items())]))


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory to read and check songs with.

    One thread reads as fast as scoring wants, keeps the order of the songs, and holds few of them at once.
    """
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})
    connection.execute("set enable_progress_bar = false")  # it is drawn on standard output, among the songs
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


def _format(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"{path} does not exist. Give a CSV (also .gz), Parquet or JSON-lines file.")
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty.")
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending not in FORMATS:
        raise ModelError(f"{path}: unknown ending. Known: .csv, .tsv, .parquet, .jsonl and .ndjson; text also as .gz.")
    return FORMATS[ending]


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _input(name: str) -> str:
    """The query's column for what the model reads; a file has none of that name."""
    return f"song-genres {name}"


def _source(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> tuple[str, dict[str, str]]:
    """What DuckDB reads the file with, and the type of each column."""
    file = quoted(escape(str(path)))  # or a path with [1] in it would be a pattern
    if file_format == "csv":
        names, delimiter = _csv_header(path)
        types = dict.fromkeys(names, "VARCHAR")
        # Nothing is guessed: a guess from the first rows may take a header or a row for something else.
        options = f"auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '\"', escape = '\"'"
        return f"read_csv({file}, {options}, columns = {_struct(types)})", types
    options = "binary_as_string = true" if file_format == "parquet" else (
        "format = 'newline_delimited', records = true, sample_size = -1"
    )  # fmt: skip
    reader = "read_parquet" if file_format == "parquet" else "read_json"
    types = {name: kind for name, kind, *_ in connection.sql(f"describe from {reader}({file}, {options})").fetchall()}
    if file_format == "parquet":
        return f"{reader}({file}, {options})", types
    # DuckDB would make a date of text that looks like one, and write it otherwise.
    types = {name: kind if kind in ("BIGINT", "DOUBLE", "BOOLEAN") else "VARCHAR" for name, kind in types.items()}
    return f"read_json({file}, format = 'newline_delimited', columns = {_struct(types)})", types


def _struct(types: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items()) + "}"


def _csv_header(path: Path) -> tuple[list[str], str]:
    """The columns of a CSV and what delimits them."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            beginning = file.read(1 << 16)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if b"\0" in beginning:
        raise ModelError(f"{path} is not text in UTF-8 but binary (or UTF-16). Give CSV, Parquet or JSON lines.")
    # The last character may be cut in two.
    lines = beginning.decode("utf-8-sig", errors="ignore").splitlines(keepends=True)
    delimiter = max(",;\t|", key=lines[0].count) if lines else ","
    try:
        columns = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ModelError(f"{path} is not a CSV: its header cannot be read ({error}).") from error
    if not columns:
        raise ModelError(f"{path} is not a CSV: its first line is empty, and should name the columns.")
    # A data frame's index is written without a name.
    columns = [column or f"column {number}" for number, column in enumerate(columns, start=1)]
    lowered = [column.lower() for column in columns]
    if twice := [column for column in columns if lowered.count(column.lower()) > 1]:
        raise ModelError(f"{path} names a column twice (upper or lower case): {', '.join(twice)}. Rename one of them.")
    return columns, delimiter


def _query(source: str, types: dict[str, str], by_name: dict[str, str], own: list[str], *, with_title: bool) -> str:
    """Each song's own columns, what the model reads of it, what is missing, and what cannot be used and why."""
    checked, inputs, missing, problems = [], [], [], []
    ranges = feature_ranges()
    for name in AUDIO_FEATURES:
        minimum, maximum = ranges[name]
        if name not in by_name:
            inputs.append(f"null::double as {_name(_input(name))}")
            missing.append(quoted(name))
            continue
        column, kind = _name(by_name[name]), types[by_name[name]]
        said = f"trim({column}::varchar)"
        text, number = _name(f"text of {_input(name)}"), _name(_input(name))
        if kind.partition("(")[0] in NUMBERS:
            unknown = f"{column} is null or isnan({column}::double)"
            value = f"{column}::double"
        else:
            unknown = f"{column} is null or lower({said}) in {MISSING}"
            # DuckDB reads 1_000 as a number; CSV and JSON do not.
            value = f"case when not contains({said}, '_') then try_cast({said} as double) end"
        checked.append(f"case when {unknown} then null else left({said}, 40) end as {text}")
        checked.append(f"case when {value} between {minimum} and {maximum} then {value} end as {number}")
        inputs.append(number)
        missing.append(f"case when {number} is null then {quoted(name)} end")
        problems.append(
            f"case when {number} is null and {text} is not null "
            f"then {quoted(name + ' is ')} || {text} || {quoted(f', not from {minimum:.12g} to {maximum:.12g}')} end"
        )
    if with_title:
        title = _name(_input("song_name"))
        known = next((f"trim({_name(by_name[name])}::varchar)" for name in TITLES if name in by_name), "null::varchar")
        inputs.append(f"nullif({known}, '') as {title}")
        missing.append(f"case when {title} is null then 'song_name' end")
    # Of nested values CSV can write no other form.
    kept = [
        f"to_json({_name(name)})::varchar as {_name(name)}"
        if types[name].endswith("]") or types[name].startswith(("STRUCT", "MAP", "UNION"))
        else _name(name)
        for name in own
    ]
    return f"""
        select {", ".join([*kept, *inputs])},
            concat_ws(', ', {", ".join(missing)}) as missing_features,
            concat_ws('; ', {", ".join(problems)}) as problems
        from (select *, {", ".join(checked)} from {source})
        """


def write_songs(scoring: Scoring, output: Path | BinaryIO, *, file_format: str | None = None) -> None:
    """Score the songs into a CSV, Parquet or JSON-lines file (by its ending), or onto a stream of binary.

    Memory does not grow with the songs, and nothing is written unless every song could be scored: of a file there is no
    half, and a stream gets its first byte at the end. `file_format` is a value of `FORMATS`; CSV on a stream by
    default. Raises `ModelError`: an unknown ending, a file that cannot be written, and what `Scoring` raises.
    """
    if isinstance(output, Path):
        ending = output.suffix.lower().removeprefix(".")
        if file_format is None and (ending not in FORMATS or ending == "tsv"):
            raise ModelError(f"{output}: unknown ending. Write .csv, .parquet or .jsonl.")
        try:
            with whole_or_not_there(output) as unfinished:
                _write(scoring, unfinished, file_format or FORMATS[ending])
        except OSError as error:
            raise ModelError(f"{output} cannot be written: {error}") from error
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "songs"
        _write(scoring, path, file_format or "csv")
        with path.open("rb") as file:
            shutil.copyfileobj(file, output)


def _write(scoring: Scoring, path: Path, file_format: str) -> None:
    if file_format == "jsonl":
        with path.open("w", encoding="utf-8") as file, connect() as connection:
            for songs in scoring:
                connection.register("songs", songs)
                for (line,) in connection.execute("select to_json(songs)::varchar from songs").fetchall():
                    file.write(line + "\n")
        return
    if file_format == "parquet":
        writer = pq.ParquetWriter(path, scoring.schema)
    else:
        writer = pa_csv.CSVWriter(path, scoring.schema, write_options=pa_csv.WriteOptions(quoting_header="needed"))
    with writer:
        for songs in scoring:
            writer.write_table(songs)


@contextmanager
def standard_input(file_format: str | None = None) -> Iterator[tuple[Path, str]]:
    """Standard input as a file, which is gone afterwards, and its format: a value of `FORMATS`, or what it looks like.

    What begins with a brace is JSON lines, anything else CSV; either may be gzipped.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        if path.stat().st_size == 0:
            raise ModelError("Standard input is empty. Give CSV with a header, or JSON lines.")
        with path.open("rb") as file:
            beginning = file.read(4)
        if beginning.startswith(b"\x1f\x8b"):
            path = path.rename(path.with_suffix(".gz"))
            with gzip.open(path) as text:
                beginning = text.read(4)
        guess = "parquet" if beginning == b"PAR1" else "jsonl" if beginning.lstrip().startswith(b"{") else "csv"
        try:
            yield path, file_format or guess
        except ModelError as error:
            raise ModelError(str(error).replace(str(path), "Standard input")) from error
