"""Songs scored on Spark: the same answers as on one machine, in bounded memory, and nothing half-written."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import ml.spark
from ml.dataset import ModelError
from ml.model_file import Model, load, save
from ml.predictions import BATCH
from ml.scoring import Songs, connect, rules_for, write_songs
from ml.spark import fields_by_name, score_partition, score_songs, session
from ml.training import fit, save_model
from orchestration.cli import app
from orchestration.songs import scored_file
from tests.ml.made_up_tracks import make_tracks
from warehouse.features import AUDIO_FEATURES, SOUND
from warehouse.spark import SparkUnavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, whose probabilities may differ in the last digits from batch to batch."""
    artists = [[f"{number // 3}"] for number in range(180)]
    genres = ["Ambient"] * 60 + ["Jazz"] * 60 + ["Punk"] * 60
    tracks = make_tracks(genres, artists, loudness={"Ambient": -25.0, "Jazz": -15.0, "Punk": -5.0})
    return save_model(fit(tracks, model="ensemble"), tmp_path_factory.mktemp("models"))


def made_up_songs(number: int, **columns: list[Any]) -> pa.Table:
    """Songs that differ, with an id each; `columns` in place of, or beside, those columns."""
    rng = np.random.default_rng(3)
    features = {name: rng.uniform(0.1, 0.9, number) for name in AUDIO_FEATURES}
    features["loudness"] = rng.uniform(-40, 0, number)
    for name, limit in (("key", 12), ("mode", 2), ("duration_ms", 300_000), ("time_signature", 6)):
        features[name] = rng.integers(0, limit, number).astype(float)
    return pa.table({"id": np.arange(number), **features, **columns})


def write_folder(songs: pa.Table, folder: Path, *sizes: int) -> str:
    """The songs as Parquet files of these sizes, the rest in one more, in small row groups."""
    folder.mkdir()
    borders = [0, *np.cumsum(sizes).tolist(), len(songs)]
    for number, (start, end) in enumerate(zip(borders, borders[1:], strict=False)):
        pq.write_table(songs.slice(start, end - start), folder / f"{number}.parquet", row_group_size=400)
    return str(folder)


def split(table: pa.Table) -> tuple[list[dict[str, str]], np.ndarray]:
    """In the order of the ids: the other columns exactly, NaN told from NULL; and the probabilities, rows x ranks."""
    names = [name for name in table.schema.names if name.startswith("probability_")]
    ordered = table.sort_by("id")
    rows = ordered.drop_columns(names).to_pylist()
    exactly = [{name: repr(value) for name, value in row.items()} for row in rows]
    return exactly, np.column_stack([ordered[name].to_numpy() for name in names])


def test_songs_get_the_same_answers_as_on_one_machine(spark: "SparkSession", model_path: Path, tmp_path: Path) -> None:
    """Guards against rules, probabilities or own columns that depend on the engine, on files or on batches."""
    songs = made_up_songs(
        3_001,
        tempo=["120.5", "fast", " 90 ", None, "1e999", "77", "nan"] * 428 + ["0", "300", "301", "1_0", "x"],
        energy=[0.5, 0.7, float("nan"), None, 2.0] * 600 + [0.1],
        big=[2**53 + 1, None, -(2**63)] * 1_000 + [7],
        rating=[float("nan"), None, 0.1] * 1_000 + [1.0],
        ok=[True, None, False] * 1_000 + [True],
        at=[datetime(2020, 5, 1, 10, 0, 0, 123), None, datetime(9999, 12, 31)] * 1_000 + [None],
        tags=[["a", None], None, []] * 1_000 + [["é"]],
    ).rename_columns({"liveness": "Liveness"})
    songs = songs.append_column("a.b `c` 'd'", pa.array(["Gården ☃"] * len(songs)))
    pq.write_table(songs, tmp_path / "songs.parquet")
    with scored_file(load(model_path), tmp_path / "songs.parquet") as found_here:
        here = found_here.scoring
        write_songs(here, tmp_path / "here.parquet")

    there = score_songs(spark, model_path, write_folder(songs, tmp_path / "songs", 1, 777, 5), str(tmp_path / "there"))

    expected, found = pq.read_table(tmp_path / "here.parquet"), pq.read_table(tmp_path / "there")
    assert found.schema.equals(expected.schema)
    (found_rows, found_probabilities), (rows, probabilities) = split(found), split(expected)
    assert found_rows == rows
    assert found_probabilities == pytest.approx(probabilities, abs=1e-6)
    assert (there.songs, there.problem_rows) == (here.songs, here.problem_rows)
    assert here.problem_rows > 1_000
    assert (tmp_path / "there" / "_SUCCESS").exists()


@pytest.mark.usefixtures("spark")
def test_problems_are_counted_and_the_first_are_named_by_file_and_row(model_path: Path, tmp_path: Path) -> None:
    """Guards against counts that depend on how files are parted, and problems that nobody finds again."""
    tempo = [100.0] * 1_000
    for row in (3, 500, 501, 502, 998, 999):
        tempo[row] = 1000.0
    folder = write_folder(made_up_songs(1_000, tempo=tempo), tmp_path / "songs", 500)
    result = CliRunner().invoke(
        app, ["predict", "--engine", "spark", folder, str(tmp_path / "out"), "--model", str(model_path)]
    )
    assert result.exit_code == 0, result.output
    assert "1,000 songs scored into" in result.stdout
    assert "6 of 1,000 songs have a value that cannot be used" in result.stderr
    places = [
        line.partition(", column")[0].strip() for line in result.stderr.splitlines() if "column tempo: '1000.0'" in line
    ]
    assert places == [f"0.parquet, row {row}" for row in (4,)] + [f"1.parquet, row {row}" for row in (1, 2, 3, 499)]
    problems = pq.read_table(tmp_path / "out")["problems"].to_pylist()
    assert sum(problem != "" for problem in problems) == 6


def test_mostly_unusable_songs_are_refused_and_nothing_is_written(
    spark: "SparkSession", model_path: Path, tmp_path: Path
) -> None:
    """Guards against songs in other units, scored as if all their values were missing."""
    folder = write_folder(made_up_songs(300, energy=[57.0] * 151 + [0.5] * 149), tmp_path / "songs", 100)
    with pytest.raises(
        ModelError, match=r"151 of 300 songs.*more than half(?s:.*)0.parquet, row 1, column energy: '57.0'"
    ):
        score_songs(spark, model_path, folder, str(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


def test_what_exists_is_never_replaced(
    spark: "SparkSession", model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a folder that is lost because it was named as the output, or made by another meanwhile."""
    folder = write_folder(made_up_songs(10), tmp_path / "songs")
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").write_text("mine")
    for output in (folder, str(tmp_path / "mine"), str(tmp_path / "file")):
        with pytest.raises(ModelError, match="exists already. Name a new folder"):
            score_songs(spark, model_path, folder, output)
    monkeypatch.setattr(ml.spark, "_require_new", lambda *_: None)
    with pytest.raises(ModelError, match="songs cannot be scored into .*already exists"):
        score_songs(spark, model_path, folder, folder)
    assert len(pq.read_table(folder)) == 10
    assert (tmp_path / "file").read_text() == "mine"


def test_a_job_that_fails_half_way_leaves_no_output(spark: "SparkSession", model_path: Path, tmp_path: Path) -> None:
    """Guards against an output of the partitions that came through."""
    folder = write_folder(made_up_songs(2_000, title=[f"song {n}" for n in range(2_000)]), tmp_path / "songs", 1_000)
    path = Path(folder) / "1.parquet"
    column = pq.read_metadata(path).row_group(0).column(len(AUDIO_FEATURES) + 1)
    assert column.path_in_schema == "title"
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    with pytest.raises(ModelError, match="songs cannot be scored into"):
        score_songs(spark, model_path, folder, str(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


def test_no_songs_are_scored_too(spark: "SparkSession", model_path: Path, tmp_path: Path) -> None:
    """Guards against an empty partition that has no columns."""
    songs = made_up_songs(1).slice(0, 0)
    assert score_songs(spark, model_path, write_folder(songs, tmp_path / "songs"), str(tmp_path / "out")).songs == 0
    pq.write_table(made_up_songs(1), tmp_path / "songs.parquet")
    with scored_file(load(model_path), tmp_path / "songs.parquet") as found:
        columns = found.scoring.schema.names
    assert pq.read_table(tmp_path / "out").schema.names == columns


def test_what_cannot_be_read_is_told_in_a_sentence(spark: "SparkSession", model_path: Path, tmp_path: Path) -> None:
    """Guards against Java's traces for what a user can cause."""
    (tmp_path / "text.parquet").write_text("no Parquet, whatever it is called")
    (tmp_path / "empty").mkdir()
    few = write_folder(made_up_songs(3).drop_columns([*SOUND[1:-1]]), tmp_path / "few")
    clash = write_folder(made_up_songs(3, Model=["x"] * 3), tmp_path / "clash")
    for source, words in {
        str(tmp_path / "nowhere"): "nowhere does not exist. Give a Parquet file, or a folder",
        str(tmp_path / "text.parquet"): "text.parquet is not Parquet",
        str(tmp_path / "empty"): "empty holds no Parquet files",
        "nonsense://bucket/songs": "nonsense://bucket/songs cannot be read: .*No FileSystem",
        few: "few has too few audio features: at least 3 of .* It has the columns: id, danceability",
        clash: "clash has columns that scoring adds: Model",
    }.items():
        with pytest.raises(ModelError, match=words) as raised:
            score_songs(spark, model_path, source, str(tmp_path / "out"))
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_worker_holds_few_songs_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a partition that is read whole, and against a model that is loaded for each partition."""
    tracks = make_tracks(["Jazz", "Punk"] * 50, [[f"{number}"] for number in range(100)])
    model = fit(tracks, model="prior").model
    assert model is not None
    save(model, tmp_path / "model.skops")
    content = (tmp_path / "model.skops").read_bytes()
    loads = []

    def counted_load(path: Path) -> Model:
        loads.append(path)
        return load(path)

    monkeypatch.setattr(ml.spark, "load", counted_load)
    ml.spark._loaded.cache_clear()
    batch = made_up_songs(BATCH // 2).combine_chunks().to_batches()[0]
    with connect() as connection:
        connection.register("songs", batch.schema.empty_table())
        types = {name: kind for name, kind, *_ in connection.sql("describe songs").fetchall()}
        rules = rules_for(model, Songs("songs", "songs", types, fields_by_name(list(types))), connection)
    for batches in (2, 60):
        read = 0

        def incoming(batches: int = batches) -> Iterator[pa.RecordBatch]:
            nonlocal read
            for _ in range(batches):
                read += len(batch)
                yield batch

        scored = held = 0
        for part in score_partition(bytes(bytearray(content)), rules, incoming()):
            held = max(held, read - scored)
            scored += len(part)
        assert scored == batches * len(batch)
        assert held <= 8 * BATCH  # six, as it is: what waits for scoring, and what DuckDB reads ahead
    assert len(loads) == 1


def test_spark_sends_as_many_songs_as_are_scored_at_once(spark: "SparkSession") -> None:
    """Guards against batches from Spark that grow with the partition."""

    def sizes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch({"rows": [len(batch)]})

    found = spark.range(0, 3 * BATCH, 1, 1).mapInArrow(sizes, "rows long").collect()
    assert sum(row["rows"] for row in found) == 3 * BATCH
    assert max(row["rows"] for row in found) <= BATCH


def test_spark_is_not_imported_where_it_is_not_used() -> None:
    """Guards against a console script that needs the extra, or waits for it."""
    code = "import sys, orchestration.cli, ml.spark; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_java_is_told_before_spark_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against the words of a JVM that does not start; what else may be wrong: tests/extract/test_spark.py."""
    for name in ml.spark.OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SparkUnavailable, match="no Java"):
        session()


@pytest.mark.parametrize("arguments", [["songs"], ["songs", "-"], ["-", "out"], ["a", "out", "--format", "csv"]])
def test_spark_needs_an_address_to_read_and_one_to_write(arguments: list[str]) -> None:
    """Guards against Spark started for what it cannot do."""
    result = CliRunner().invoke(app, ["predict", "--engine", "spark", *arguments])
    assert result.exit_code == 2
    assert "--engine spark takes IN" in " ".join(result.stderr.replace("│", " ").split())
