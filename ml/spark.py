"""Scoring songs on Spark: the saved model on Parquet of any size.

Belongs here: the session, how songs and the model reach the workers, and the counting over all of them. Not here: the
rules for songs' values and the scoring itself, which are scoring.py's, on each worker as on one machine. pyspark is
an extra and imported where it is used, so that nothing else needs it.

Rows go through Arrow (`mapInArrow`), not through pandas (`mapInPandas`): pandas has no missing integer, which would
change an id of more than 53 bits beside a missing one, and takes NaN and NULL for the same.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ml.dataset import ModelError
from ml.model_file import Model, load
from ml.predictions import BATCH
from ml.scoring import PROBLEMS_SHOWN, Rules, Songs, Tally, connect, readable, rules_for, score_batches
from warehouse.features import AUDIO_FEATURES
from warehouse.spark import require_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

OUTSIDE = ("SPARK_REMOTE", "SPARK_CONF_DIR", "SPARK_HOME", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT")
"""Where one of these variables is set, someone else has said which Spark to use and how; the last is spark-submit's."""

FILE, ROW = "song-genres file", "song-genres row"
FOUND = f"songs long, problem_rows long, problems array<struct<`{FILE}`: string, `{ROW}`: long, problems: string>>"


NAMES = {
    "song_name": ("song_name", "track_name", "name"),  # ours; TidyTuesday's and Kaggle's; Spotify's
    "album_name": ("album_name", "track_album_name"),
    "album_release_date": (
        "album_release_date", "track_album_release_date", "release_date", "release_year", "released_year",
    ),
}  # fmt: skip
"""What the fields beside the audio features may be called, the first that is there being taken."""

UNREADABLE = {
    "PATH_NOT_FOUND": "does not exist",
    "UNABLE_TO_INFER_SCHEMA": "holds no Parquet files",
    "CANNOT_READ_FILE_FOOTER": "is not Parquet, holds other files too, or is damaged",
}
"""What some of Spark's error conditions mean for a file of songs."""


def session() -> "SparkSession":
    """The Spark session to work in: the one that the environment names (`OUTSIDE`), or one on this machine's cores.

    Raises `SparkUnavailable`: no pyspark, or no Java that it runs on. `ModelError`: Spark does not start or answer.
    """
    require_spark()
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    outside = any(name in os.environ for name in OUTSIDE)
    builder = SparkSession.builder.appName("song-genres")
    if not outside:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # or Spark takes the first python3 of the PATH
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "OFF",  # what fails is told once, by the error that Python gets
        }.items():
            builder = builder.config(name, value)
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")  # no row goes through pandas here
    try:
        spark = builder.getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise ModelError(f"Spark does not start or answer: {_words(error)}") from error
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))  # as many as are scored at once
    spark.conf.set("spark.sql.parquet.binaryAsString", "true")  # text of old writers, read so on one machine too
    return spark


def score_songs(spark: "SparkSession", model_path: Path, source: str, output: str) -> Tally:
    """Score the songs of Parquet `source` (whatever Spark reads: a file, a folder, an address) into a new folder.

    The columns are those of `scoring.score_songs`, and so is each value, in the order of the songs within a file.
    First, all songs are checked and counted, then they are scored and written; so what is refused costs no scoring.
    The counts are exact, since each comes from a partition's only accepted result. Memory of a worker does not grow
    with the songs: it holds the model and a few batches. Needs song-genres installed for the Python of the workers.

    Raises `ModelError`: the model or the songs cannot be read, columns are missing, more than half of the songs have a
    value that cannot be used, or `output` exists or cannot be written. Then there is no output.
    """
    model = load(model_path)
    content = model_path.read_bytes()
    with _told(source, "cannot be read"):
        songs = spark.read.parquet(source)
        features = [column for column in songs.columns if column.lower() in AUDIO_FEATURES]
        position = [songs["_metadata.file_name"].alias(FILE), songs["_metadata.row_index"].alias(ROW)]
        checked = songs.select(*position, *features)
        rules = _rules(model, songs, source)
    with _told(output, "cannot be written"):
        _require_new(spark, output)
    with _told(source, "cannot be read"):
        tally = _count(checked, _rules(model, checked, source))
    tally.require_mostly_usable(source)
    _write(spark, songs, content, rules, source, output)
    return tally


def _rules(model: Model, songs: "DataFrame", source: str) -> Rules:
    """The rules for songs that DuckDB will find in Arrow's batches of the frame's columns."""
    from pyspark.sql.pandas.types import to_arrow_schema

    with connect() as connection, readable(source):
        connection.register("songs", to_arrow_schema(songs.schema, timezone="UTC").empty_table())
        types = {name: kind for name, kind, *_ in connection.sql("describe songs").fetchall()}
        return rules_for(model, Songs(source, "songs", types, fields_by_name(list(types))), connection)


def fields_by_name(columns: Sequence[str]) -> dict[str, str]:
    """Our field -> the column of its name in upper or lower case, for the audio features and those of `NAMES`."""
    by_name = {column.lower(): column for column in columns}
    fields = {name: by_name[name] for name in AUDIO_FEATURES if name in by_name}
    found = {name: next((by_name[one] for one in names if one in by_name), None) for name, names in NAMES.items()}
    return fields | {name: column for name, column in found.items() if column}


def _map(
    songs: "DataFrame", work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: "StructType | str"
) -> "DataFrame":
    """What `work` makes of the songs of each partition, on the workers."""
    names = songs.columns
    numbered = songs.toDF(*map(str, range(len(names))))  # Spark would take a dot in a name for a field

    def with_names(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return work(batch.rename_columns(names) for batch in batches)

    return numbered.mapInArrow(with_names, schema)


@contextmanager
def _incoming(batches: Iterator[pa.RecordBatch]) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A DuckDB whose table `songs` is what a partition gives, read once and batch by batch; None where it is empty."""
    first = next(batches, None)
    if first is None:
        yield None
        return
    with connect() as connection:
        connection.register("songs", pa.RecordBatchReader.from_batches(first.schema, chain([first], batches)))
        yield connection


def _count(songs: "DataFrame", rules: Rules) -> Tally:
    """What the check finds in songs that have their file and row as columns, partition by partition."""
    query = f"""
        select
            count(*) as songs,
            count(*) filter (problems <> '') as problem_rows,
            coalesce(
                min({{'{FILE}': "{FILE}", '{ROW}': "{ROW}", 'problems': problems}}, {PROBLEMS_SHOWN})
                    filter (problems <> ''),
                []
            ) as problems
        from ({rules.query})
        """

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with _incoming(batches) as connection:
            if connection:
                yield from connection.sql(query).to_arrow_table().to_batches()

    found = _map(songs, count, FOUND).collect()
    first = sorted(tuple(problem) for partition in found for problem in partition["problems"])[:PROBLEMS_SHOWN]
    return Tally(
        songs=sum(partition["songs"] for partition in found),
        problem_rows=sum(partition["problem_rows"] for partition in found),
        problems=[f"{file}, row {row + 1:,}, {problems}" for file, row, problems in first],
    )


def _write(spark: "SparkSession", songs: "DataFrame", content: bytes, rules: Rules, source: str, output: str) -> None:
    from pyspark.sql.pandas.types import from_arrow_schema

    # The model's file travels with the function: Spark broadcasts what is large, and with Spark Connect, which has
    # neither broadcasts of one's own nor addFile, it goes the same way.
    scored = _map(songs, lambda batches: score_partition(content, rules, batches), from_arrow_schema(rules.schema))
    try:
        with _told(source, f"cannot be scored into {output}"):
            scored.write.mode("error").parquet(output)
    except BaseException as error:
        if "PATH_ALREADY_EXISTS" not in str(error):  # what another made meanwhile is not ours
            _discard(spark, output)
        raise


def score_partition(content: bytes, rules: Rules, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On a worker: score the songs of a partition, in order, with the model whose file has this content.

    Holds a few batches of `predictions.BATCH` songs, however many songs there are.
    """
    with _incoming(batches) as connection:
        if connection:
            for table in score_batches(_loaded(content), rules, connection):
                yield from table.to_batches()


@lru_cache(maxsize=1)
def _loaded(content: bytes) -> Model:
    """The model of a file with this content, loaded once per worker, which scores many partitions one after another."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        path.write_bytes(content)
        return load(path)


def _require_new(spark: "SparkSession", output: str) -> None:
    """Raise `ModelError` where there is something at `output`, which may be anything: it is never replaced."""
    from pyspark.errors import AnalysisException

    try:
        _ = spark.read.text(output).schema  # reads nothing, but looks whether there is something: with Connect, too
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
    else:
        raise ModelError(f"{output} exists already. Name a new folder, or remove this one.")


def _discard(spark: "SparkSession", output: str) -> None:
    """Remove what a failed job left at `output`, which was not there before."""
    # Spark itself removes all but an empty folder; with Spark Connect, more cannot be done from here.
    if java := getattr(spark, "_jvm", None):
        path = java.org.apache.hadoop.fs.Path(output)
        path.getFileSystem(spark._jsc.hadoopConfiguration()).delete(path, True)


@contextmanager
def _told(name: str, trouble: str) -> Iterator[None]:
    """Spark's error within the block, as a `ModelError`; but one of Python on a worker is ours, and left alone."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException, PythonException

    try:
        yield
    except PythonException as error:
        if "No module named" not in str(error):
            raise
        raise ModelError(
            f"{name} {trouble}: the workers' Python lacks a module ({_words(error)}). Install song-genres on each "
            "machine of the cluster, and set PYSPARK_PYTHON to its Python."
        ) from error
    except (PySparkException, Py4JError) as error:
        words = _words(error)
        known = next((reason for condition, reason in UNREADABLE.items() if condition in words), None)
        if known:
            raise ModelError(f"{name} {known}. Give a Parquet file, or a folder of them.") from error
        raise ModelError(f"{name} {trouble}: {words}") from error


def _words(error: Exception) -> str:
    """What an error says, without Java's trace."""
    cause = getattr(error, "java_exception", None)
    words = str(cause.toString() if cause is not None else error)
    return " ".join(re.split(r"\n\s*at ", words)[0].split())[:400]
