"""The model file and the scoring of songs."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io as sio
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from extract.song_files import ReadingOptions, SongFileError
from ml.dataset import ModelError, Tracks
from ml.estimators import TRUSTED_TYPES
from ml.model_file import FORMAT, Model, load, predict_probabilities, save
from ml.predictions import Predicted, guess, predict_tracks, record_predictions
from ml.scoring import Tally, absent, write_songs
from ml.spark import fields_by_name
from ml.tables import create_ml_tables
from ml.training import fit, save_model
from orchestration.cli import app
from orchestration.songs import scored_file
from warehouse.features import AUDIO_FEATURES
from warehouse.files import OutputError

AMBIENT = dict.fromkeys(AUDIO_FEATURES, "0.5") | {
    "loudness": "-25.0", "key": "4", "mode": "1", "duration_ms": "200000", "time_signature": "4", "song_name": "Drone",
}  # fmt: skip
"""A quiet song, as text."""


@pytest.fixture(scope="module")
def model_path(tracks: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(fit(tracks, model="study_forest"), tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(model_path: Path) -> Model:
    return load(model_path)


class Titles:
    """A classifier that knows the title alone, to see that it arrives: it says Jazz where there is a J in it."""

    classes_ = np.array(["Jazz", "Other"], dtype=object)

    def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
        says_jazz = np.array(["J" in title if isinstance(title, str) else False for title in inputs["song_name"]])
        return np.column_stack([says_jazz, ~says_jazz]).astype(float)


@pytest.fixture
def title_model() -> Model:
    return Model("titles-1", "titles", Titles(), "made_up", False, features="audio+title")


def songs_csv(folder: Path, *songs: dict[str, str], name: str = "songs.csv") -> Path:
    """A CSV with a row for each of `songs`: `AMBIENT` with these cells in place of its own."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(AMBIENT | (songs[0] if songs else {})))
        writer.writeheader()
        writer.writerows(AMBIENT | song for song in songs)
    return path


def tables(model: Model, path: Path, **options: Any) -> tuple[list[pa.Table], Tally]:
    with scored_file(model, path, **options) as found:
        return [found.scoring.schema.empty_table(), *found.scoring], found.scoring


def scored(model: Model, path: Path, **options: Any) -> list[dict[str, Any]]:
    return pa.concat_tables(tables(model, path, **options)[0]).to_pylist()


def write(model: Model, path: Path, output: Any, **options: Any) -> None:
    with scored_file(model, path, **options) as found:
        write_songs(found.scoring, output)


def test_a_saved_model_predicts_as_the_fitted_one(tracks: Tracks, model: Model) -> None:
    """Guards against a file that is another model than the one that was scored."""
    fitted = fit(tracks, model="study_forest").model
    features = tracks.frame[AUDIO_FEATURES]
    assert predict_probabilities(model, features) == pytest.approx(predict_probabilities(fitted, features), abs=1e-6)
    assert (model.dataset, model.is_synthetic) == ("made_up", True)
    assert (model.features, model.protocol) == ("audio", "artist_grouped")


def test_of_equal_probabilities_the_first_genre_comes_first() -> None:
    """Guards against ranks that depend on how the five largest are found."""

    class Even:
        classes_ = np.array(list("abcdefg"), dtype=object)

        def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
            return np.tile([0.0, 0.2, 0.2, 0.4, 0.2, 0.0, 0.0], (len(inputs), 1))

    even = Model("even-1", "even", Even(), "made_up", True)
    songs = pd.DataFrame(0.0, index=range(2), columns=AUDIO_FEATURES)
    found = guess(even, songs)
    assert found.numbers.tolist() == [[3, 1, 2, 4, 0]] * 2
    assert found.probabilities.tolist() == [[0.4, 0.2, 0.2, 0.2, 0.0]] * 2
    assert found.sets.to_pylist() == [None, None]
    for threshold, genres in ((0.2, "dbce"), (0.0, "dbceafg"), (0.3, "d"), (0.9, "d")):
        assert guess(replace(even, threshold=threshold), songs).sets.to_pylist() == [list(genres)] * 2


def test_every_track_has_ranks_in_falling_probability(
    tracks: Tracks, model: Model, connection: duckdb.DuckDBPyConnection
) -> None:
    """Guards against tracks lost between batches, ranks in the wrong order, and flags on the wrong track."""
    create_ml_tables(connection)
    parts = np.where(np.arange(len(tracks.frame)) % 3 == 0, "held_out", "train")
    for batch in (7, 1000):
        predictions = predict_tracks(model, tracks.frame, parts, progress=lambda *_: None, batch=batch)
        assert record_predictions(connection, tracks.dataset, predictions) == len(tracks.frame) * 3
    rows = connection.execute("select * from ml.genre_predictions").df()
    assert len(rows) == len(tracks.frame) * 3
    assert set(rows["run_id"]) == {model.run_id}
    flags = rows[rows["rank"] == 1].set_index("spotify_track_id")["part"]
    assert flags[tracks.frame["spotify_track_id"]].tolist() == parts.tolist()
    ranked = rows.sort_values(["spotify_track_id", "rank"]).groupby("spotify_track_id")
    assert ranked["rank"].agg(list).map(lambda ranks: ranks == [1, 2, 3]).all()
    assert ranked["probability"].agg(lambda falling: falling.is_monotonic_decreasing).all()
    assert ranked["probability"].sum().to_numpy() == pytest.approx(1.0)
    first = rows[rows["rank"] == 1].set_index("spotify_track_id")["genre"]
    sets = connection.execute("select spotify_track_id, genres, size, dataset from ml.genre_sets").fetchall()
    assert len(sets) == len(tracks.frame)
    for track_id, genres, size, dataset in sets:
        assert (genres[0], len(genres), dataset) == (first[track_id], size, "made_up")
    best = model.genres[predict_probabilities(model, tracks.frame).argmax(axis=1)]
    assert first[tracks.frame["spotify_track_id"]].tolist() == best.tolist()


def test_predictions_that_fail_leave_the_old_ones(
    tracks: Tracks, model: Model, connection: duckdb.DuckDBPyConnection
) -> None:
    """Guards against a table that is half of one run and half of another."""
    create_ml_tables(connection)
    parts = np.full(len(tracks.frame), "train")

    def predictions() -> Iterator[Predicted]:
        return predict_tracks(model, tracks.frame, parts, progress=lambda *_: None, batch=50)

    def broken() -> Iterator[Predicted]:
        yield next(predictions())
        raise MemoryError

    record_predictions(connection, tracks.dataset, predictions())
    with pytest.raises(MemoryError):
        record_predictions(connection, tracks.dataset, broken())
    assert connection.execute("select count(*) from ml.genre_predictions").fetchone() == (len(tracks.frame) * 3,)
    assert connection.execute("select count(*) from ml.genre_sets").fetchone() == (len(tracks.frame),)


def test_a_song_has_its_set_and_a_file_of_an_earlier_version_none(
    model: Model, model_path: Path, tmp_path: Path
) -> None:
    """Guards against a set of another order than the guesses, and a model that cannot be read after an update."""
    assert model.threshold is not None
    songs = songs_csv(tmp_path, {})
    (song,) = scored(replace(model, threshold=0.0), songs)
    assert song["genre_set"].split("; ") == [song[f"genre_{rank}"] for rank in (1, 2, 3)]
    assert song["genre_set_size"] == 3
    content = sio.load(model_path, trusted=sorted(TRUSTED_TYPES))
    old = tmp_path / "old.skops"
    del content["threshold"]
    sio.dump(content, old)
    (song,) = scored(load(old), songs)
    assert (song["genre_1"], song["genre_set"], song["genre_set_size"]) == ("Ambient", None, None)
    sio.dump(content | {"threshold": 7.0}, old)
    with pytest.raises(ModelError, match="its threshold is no probability"):
        load(old)


def test_a_song_is_scored_and_says_what_was_missing(model: Model, tmp_path: Path) -> None:
    """Guards against a missing value that changes the answer unseen."""
    (song,) = scored(model, songs_csv(tmp_path, {"energy": "", "key": "NaN", "mode": " null "}))
    assert song["genre_1"] == "Ambient"
    assert song["missing_features"] == "energy, key, mode"
    assert song["problems"] == ""
    assert song["model_data"] == "synthetic"
    assert song["song_name"] == "Drone"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("fast", "is not a number"), ("1000", "is not within 0 to 300"), ("-1", "is not within 0 to 300"),
        ("inf", "is not a finite number"), ("-inf", "is not a finite number"), ("1_0", "is not a number"),
        ("1e999", "is not a finite number"), ("12,5", "is not a number"), ("-nan", "is not a finite number"),
        ("０x1", "is not a number"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_tempo_is_named_and_counts_as_missing(
    model: Model, tmp_path: Path, value: str, words: str
) -> None:
    """Guards against a prediction from nonsense, and against a whole file refused for one cell."""
    found, tally = tables(model, songs_csv(tmp_path, {}, {"tempo": value}, {"tempo": ""}))
    good, bad, empty = pa.concat_tables(found).to_pylist()
    assert (good["missing_features"], good["problems"]) == ("", "")
    assert (bad["missing_features"], bad["problems"]) == ("tempo", f"column tempo: '{value}' {words}")
    assert (empty["missing_features"], empty["problems"]) == ("tempo", "")
    assert bad["probability_1"] == empty["probability_1"]
    assert (tally.songs, tally.problem_rows) == (3, 1)
    assert tally.problems == [f"row 2, column tempo: '{value}' {words}"]


def test_a_row_that_cannot_be_read_keeps_its_place_and_is_given_no_genre(model: Model, tmp_path: Path) -> None:
    """Guards against a file refused for one row, rows that shift, and a genre guessed of nothing."""
    path = songs_csv(tmp_path, {}, {}, {"song_name": "Last"})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], "1,2", 'x"' + lines[2], lines[3]]) + "\n")
    found, tally = tables(model, path)
    rows = pa.concat_tables(found).to_pylist()
    assert [row["song_name"] for row in rows] == ["Drone", None, "Drone", "Last"]
    assert rows[1]["problems"] == "line 3: 2 fields, where the header has 14"
    assert [rows[1][name] for name in ("genre_1", "probability_1", "genre_set", "genre_set_size")] == [None] * 4
    assert [row["genre_1"] for row in (rows[0], rows[3])] == ["Ambient", "Ambient"]
    assert tally.problems[0] == "row 2, line 3: 2 fields, where the header has 14"


def test_several_problems_of_a_row_are_all_named_but_only_the_first_rows(model: Model, tmp_path: Path) -> None:
    """Guards against correcting a file one cell a run, and against half a million lines on the screen."""
    bad = {"energy": "2", "loudness": "x" * 100}
    found, tally = tables(model, songs_csv(tmp_path, *[{}] * 20, *[bad] * 15), batch=10)
    rows = pa.concat_tables(found).to_pylist()
    assert rows[20]["problems"] == (
        f"column energy: '2' is not within 0 to 1; column loudness: '{'x' * 40}' is not a number"
    )
    assert [problem.partition(",")[0] for problem in tally.problems] == [f"row {row}" for row in range(21, 26)]
    assert tally.problem_rows == 15


def test_a_file_of_mostly_unusable_rows_is_refused_and_nothing_is_written(model: Model, tmp_path: Path) -> None:
    """Guards against a file of something else, scored as if all its values were missing."""
    path = songs_csv(tmp_path, {}, {"tempo": "570"}, {"tempo": "800"})
    out = tmp_path / "out.csv"
    out.write_text("old")
    with pytest.raises(ModelError, match="2 of 3 songs.*more than half.*\n  row 2, column tempo: '570'"):
        write(model, path, out)
    assert out.read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.csv", "songs.csv"]
    stream = io.BytesIO()
    with pytest.raises(ModelError, match="more than half"):
        write(model, path, stream)
    assert stream.getvalue() == b""


def test_a_column_whose_unit_cannot_be_told_is_refused_by_name(model: Model, tmp_path: Path) -> None:
    """Guards against shares and percents in one column, of which half would be scored wrong."""
    path = songs_csv(tmp_path, {}, {"energy": "57"}, {"energy": "80"})
    with pytest.raises(SongFileError, match="the unit of column energy cannot be told.*\n.*--unit energy=percent"):
        scored(model, path)
    path = songs_csv(tmp_path, *[{}] * 2, {"energy": "57"}, {"energy": "80"})
    found = scored(model, path, options=ReadingOptions(units={"energy": "share"}))
    assert [song["problems"] for song in found[2:]] == [
        f"column energy: '{value}' is not within 0 to 1" for value in (57, 80)
    ]


def test_missing_columns_are_named(model: Model, tmp_path: Path) -> None:
    """Guards against a KeyError for a file of something else; a time signature may be absent, and is then missing."""
    path = tmp_path / "few.csv"
    path.write_text("energy,loudness\n0.5,-3\n")
    with pytest.raises(
        SongFileError,
        match="(?s)lacks audio features.*It has the columns: energy, loudness.*predict .*few.csv --map",
    ):
        scored(model, path)
    whole = pd.read_csv(songs_csv(tmp_path, {}))
    whole.drop(columns="time_signature").to_csv(path, index=False)
    assert scored(model, path)[0]["missing_features"] == "time_signature"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n1,2\n", "has no header"),
        ("energy,Energy\n1,2\n", "lacks audio features"),
        ("a\0b\n", "not text but binary"),
        (",".join([*AMBIENT, "Model"]) + "\n" + ",".join([*AMBIENT.values(), "x"]), "scoring adds: Model"),
        (",".join(AMBIENT) + "\n", "has a header but no rows"),
    ],
    ids=["empty", "no header", "one feature", "binary", "clash", "no rows"],
)
def test_a_csv_that_cannot_be_read_is_told_in_a_sentence(
    model: Model, tmp_path: Path, content: str, words: str
) -> None:
    """Guards against tracebacks for what a user can cause."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises((ModelError, SongFileError), match=f"bad.csv.*{words}"):
        scored(model, path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"energy": 1}\n{"energy": \n', " is a list with one column, energy"),
        ("[1, 2]\n", ": no line is"),
        ("\n", ": no line"),
    ],
    ids=["cut", "no objects", "blank"],
)
def test_json_lines_that_cannot_be_read_are_told_in_a_sentence(
    model: Model, tmp_path: Path, content: str, words: str
) -> None:
    """Guards against tracebacks for what a user can cause."""
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(SongFileError, match=f"bad.jsonl{words}"):
        scored(model, path)


def test_other_files_are_refused_by_name(model: Model, tmp_path: Path) -> None:
    """Guards against reading what is no table of songs, and against writing what an ending does not say."""
    with pytest.raises(SongFileError, match="nowhere.csv does not exist"):
        scored(model, tmp_path / "nowhere.csv")
    assert len(scored(model, songs_csv(tmp_path, {}, name="songs.xlsx"))) == 1  # a CSV, whatever its name says
    for name in ("out.xlsx", "out.tsv", "out", ".csv", "csv"):
        with pytest.raises(OutputError, match="unknown ending"):
            write(model, songs_csv(tmp_path, {}), tmp_path / name)
    with pytest.raises(OutputError, match="out.csv cannot be written"):
        write(model, songs_csv(tmp_path, {}), tmp_path / "songs.csv" / "out.csv")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(SongFileError, match="text.parquet has one column only"):
        scored(model, tmp_path / "text.parquet")


def test_every_format_is_scored_alike(model: Model, tmp_path: Path) -> None:
    """Guards against formats that are read differently, missing and impossible values included."""
    path = songs_csv(tmp_path, {}, {"tempo": "1000.5"}, {"energy": "", "key": "7"}, name="songs [1].csv")
    expected = scored(model, path)
    assert [song["problems"] for song in expected] == ["", "column tempo: '1000.5' is not within 0 to 300", ""]
    songs = pd.read_csv(path)
    songs.to_parquet(tmp_path / "songs.parquet")
    songs.astype(object).where(songs.notna(), None).to_json(tmp_path / "songs.jsonl", orient="records", lines=True)
    songs.to_csv(tmp_path / "songs.tsv", sep="\t", index=False)
    songs.to_csv(tmp_path / "semicolons.csv", sep=";", index=False)
    (tmp_path / "songs.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").rstrip())
    for name in ("songs.parquet", "songs.jsonl", "songs.tsv", "semicolons.csv", "songs.csv.gz", "bom.csv"):
        assert scored(model, tmp_path / name) == expected, name


def test_own_columns_are_kept_as_they_are(model: Model, tmp_path: Path) -> None:
    """Guards against an id, a date or a nested value that comes out changed or not at all."""
    features = {name: float(AMBIENT[name]) for name in AUDIO_FEATURES}
    songs = pd.DataFrame(
        [features | {"id": 1, "at": "2020-05-01T10:00:00Z", "tags": ["a", "b"], "ok": True, "Prix €": "007"}]
    ).rename(columns={"energy": "Energy"})
    songs.to_parquet(tmp_path / "songs.parquet")
    songs.to_json(tmp_path / "songs.jsonl", orient="records", lines=True)
    for name in ("songs.parquet", "songs.jsonl"):
        (song,) = scored(model, tmp_path / name)
        kept = {"id": 1, "at": "2020-05-01T10:00:00Z", "tags": '["a","b"]', "ok": True, "Prix €": "007"}
        assert {key: song[key] for key in song if key in kept} == kept
        assert not set(song) & {"Energy", "energy", "tempo"}


def test_scored_songs_are_written_by_ending(model: Model, tmp_path: Path) -> None:
    """Guards against an output that cannot be read back, is another in another format, or lacks the columns."""
    names = ['Blå "Gården", ☃\nII', "NA", "日本"]
    path = songs_csv(tmp_path, *({"song_name": name} for name in names))
    expected = scored(model, path)
    for ending in ("csv", "parquet", "jsonl", "CSV.gz", "JSONL", "Parquet"):
        write(model, path, tmp_path / f"out.{ending}", batch=2)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["song_name"] for row in rows] == names
    assert [float(row["probability_1"]) for row in rows] == [row["probability_1"] for row in expected]
    columns = list(expected[0])
    assert (tmp_path / "out.csv").read_text().splitlines()[0].replace('"', "").split(",") == columns
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert (list(written), written.to_dict("records")) == (columns, expected)
    assert (
        pd.read_json(tmp_path / "out.jsonl", lines=True, dtype=False, precise_float=True).to_dict("records") == expected
    )
    assert gzip.decompress((tmp_path / "out.CSV.gz").read_bytes()) == (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "out.JSONL").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    assert pd.read_parquet(tmp_path / "out.Parquet").equals(written)
    assert not list(tmp_path.glob("*.unfinished"))


cells = st.sampled_from(["0.5", "", "nan", "NaN", "inf", "fast", "1e-3", "-5", "٣", "'", '"', "a,b", " 0.25 "])


@settings(max_examples=15, deadline=None)
@given(
    songs=st.lists(st.fixed_dictionaries({"energy": cells, "song_name": st.text(max_size=8)}), max_size=30),
    batch=st.integers(1, 8),
)
def test_borders_of_batches_change_nothing(
    model: Model, tmp_path_factory: pytest.TempPathFactory, songs: list[dict[str, str]], batch: int
) -> None:
    """Guards against rows lost, doubled or moved at a border, whatever text they hold."""
    plain = [
        {"energy": song["energy"], "song_name": "x" + song["song_name"].replace("\0", "").replace("\r", " ")}
        for song in songs
        if song["song_name"].isprintable()
    ]
    path = songs_csv(tmp_path_factory.mktemp("songs"), *plain, *[{"song_name": "good"}] * (len(plain) + 1))
    at_once = scored(model, path, batch=10_000)
    assert [song["song_name"] for song in at_once[: len(plain)]] == [song["song_name"] for song in plain]
    usable = [song["energy"].strip() in ("0.5", "1e-3", "0.25") for song in plain]
    assert ["energy" not in song["missing_features"] for song in at_once[: len(plain)]] == usable
    parts = tables(model, path, batch=batch)[0]
    assert [len(table) for table in parts][1:-1] == [batch] * ((len(at_once) - 1) // batch)
    assert pa.concat_tables(parts).to_pylist() == at_once


@pytest.mark.parametrize("column", ["song_name", "track_name", "Name"])
def test_a_title_is_recognised_under_the_names_of_known_dumps(title_model: Model, tmp_path: Path, column: str) -> None:
    """Guards against a model of titles that is given none because the column is called otherwise."""
    path = tmp_path / "songs.csv"
    whole = pd.read_csv(songs_csv(tmp_path, {"song_name": "J"}, {"song_name": " "}, {"song_name": "x"}))
    whole.rename(columns={"song_name": column}).to_csv(path, index=False)
    rows = scored(title_model, path)
    assert [song["genre_1"] for song in rows] == ["Jazz", "Other", "Other"]
    assert [song["missing_features"] for song in rows] == ["", "song_name", ""]
    assert [song[column] for song in rows] == ["J", " ", "x"]


def test_a_model_of_titles_says_that_there_are_none(
    title_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a file without titles that is scored as if it had them, in its rows and on the screen."""
    monkeypatch.setattr("orchestration.songs.load", lambda _: title_model)
    path = songs_csv(tmp_path, {})
    pd.read_csv(path).drop(columns="song_name").to_csv(path, index=False)
    assert scored(title_model, path)[0]["missing_features"] == "song_name"
    result = CliRunner().invoke(app, ["predict", str(path), "-", "--model", "titles.skops"])
    assert "Not in the file, so unknown: song_name." in result.stderr


class Albums:
    """A classifier that gives back what arrived: the album's letters and the year's decade, in the probabilities."""

    classes_ = np.array(["Album", "Year"], dtype=object)

    def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
        assert list(inputs) == [*AUDIO_FEATURES, "release_year", "album_name"]
        assert inputs["release_year"].dtype == np.float64
        letters = [len(name) if isinstance(name, str) else 0 for name in inputs["album_name"]]
        return np.column_stack([np.array(letters) / 1000, inputs["release_year"].fillna(0) / 10_000])


@pytest.mark.parametrize(
    ("album", "date"),
    [
        ("album_name", "album_release_date"),
        ("track_album_name", "track_album_release_date"),  # TidyTuesday's
        ("Album Name", "Release Date"),  # Exportify's
    ],
)
def test_album_and_year_are_read_as_the_warehouse_reads_them(tmp_path: Path, album: str, date: str) -> None:
    """Guards against a model that learnt years and is given none, or another year than the warehouse would have."""
    dates = ["1984-05-31", "1994-05", "2001", "1984-05-31T12:00:00Z", "1859", "0000", "1984-02-30", "soon", "", "84"]
    dates += ["1994.0", "1994.5"]  # the first is how pandas writes a year in a column with gaps
    years = [1984, 1994, 2001, 1984, 0, 0, 0, 0, 0, 0, 1994, 0]
    songs = [{album: "Blue" if number else " ", date: text} for number, text in enumerate(dates)]
    model = Model("albums-1", "albums", Albums(), "made_up", False, features="audio+year+album")
    rows = scored(model, songs_csv(tmp_path, *songs))
    year = [next(row[f"probability_{rank}"] for rank in (1, 2) if row[f"genre_{rank}"] == "Year") for row in rows]
    assert year == pytest.approx([number / 10_000 for number in years])
    letters = [next(row[f"probability_{rank}"] for rank in (1, 2) if row[f"genre_{rank}"] == "Album") for row in rows]
    assert letters == [0.0] + [0.004] * 11
    unknown = ["album_name", "", "", ""] + ["release_year"] * 6 + ["", "release_year"]
    assert [row["missing_features"] for row in rows] == unknown
    assert {row["problems"] for row in rows} == {""}
    assert [row[date] or "" for row in rows] == dates, "what a person gave comes back as it was"


def test_an_album_that_is_an_object_is_read_as_an_import_reads_it(tmp_path: Path) -> None:
    """Guards against Spotify's own documents, of which the whole album would be its name and no year be known."""
    album = {"id": "x", "name": "Blue", "release_date": "1984-05", "release_date_precision": "month"}
    features = {name: float(AMBIENT[name]) for name in AUDIO_FEATURES}
    songs = [{"name": "One", "album": album}, {"name": "Two", "album": None}]
    path = tmp_path / "songs.jsonl"
    path.write_text("\n".join(json.dumps(song | features) for song in songs))
    model = Model("albums-1", "albums", Albums(), "made_up", False, features="audio+year+album")
    rows = scored(model, path)
    assert [row["missing_features"] for row in rows] == ["", "release_year, album_name"]
    assert (rows[0]["genre_1"], rows[0]["probability_1"], rows[0]["probability_2"]) == ("Year", 0.1984, 0.004)
    assert json.loads(rows[0]["album"]) == album


def test_a_file_without_album_and_year_says_so(tmp_path: Path) -> None:
    """Guards against unknown years that pass for known ones."""
    model = Model("albums-1", "albums", Albums(), "made_up", False, features="audio+year+album")
    (song,) = scored(model, songs_csv(tmp_path, {"energy": ""}))
    assert song["missing_features"] == "energy, release_year, album_name"
    with scored_file(model, songs_csv(tmp_path, {"Release Date": "1984"})) as found:
        assert absent(model, found.file.columns) == ["album_name"]


def test_what_a_model_does_not_read_is_not_missing(title_model: Model, tmp_path: Path) -> None:
    """Guards against a gap that is told of a column that changes nothing."""
    titles = replace(title_model, features="title")
    (song,) = scored(titles, songs_csv(tmp_path, {"song_name": "J", "energy": "", "tempo": "fast"}))
    assert (song["genre_1"], song["missing_features"], song["problems"]) == ("Jazz", "", "")


def test_a_model_that_does_not_hear_scores_songs_without_sound(title_model: Model, tmp_path: Path) -> None:
    """Guards against a model of titles that asks for audio features, and one that is given nothing that it reads."""
    titles = replace(title_model, features="title")
    path = tmp_path / "songs.csv"
    path.write_text("Track Name,Artist\nJ,Ann\n,Ann\n")
    with scored_file(titles, path) as found:
        rows = pa.concat_tables(found.scoring).to_pylist()
        assert found.unknown == []
    assert [(row["genre_1"], row["missing_features"]) for row in rows] == [("Jazz", ""), ("Other", "song_name")]
    path.write_text("label,Artist\nJ,Ann\n")
    with pytest.raises(ModelError, match="nothing of what the model reads: song_name. It has the columns: label, A"):
        scored(titles, path)


def test_spark_finds_album_and_date_by_the_names_of_known_dumps() -> None:
    """Guards against a cluster that scores songs without the year that one machine would have read."""
    found = fields_by_name(["Energy", "Track_Name", "track_album_name", "release_date", "name"])
    assert found == {
        "energy": "Energy", "song_name": "Track_Name", "album_name": "track_album_name",
        "album_release_date": "release_date",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl"])
def test_songs_come_from_standard_input_and_go_to_standard_output(model_path: Path, tmp_path: Path, form: str) -> None:
    """Guards against a pipe that needs a file, and against words among the songs."""
    path = songs_csv(tmp_path, {}, {"tempo": "1000", "song_name": "Gården"})
    content = path.read_bytes()
    if form == "csv.gz":
        content = gzip.compress(content)
    if form == "jsonl":
        pd.read_csv(path).to_json(tmp_path / "songs.jsonl", orient="records", lines=True)
        content = (tmp_path / "songs.jsonl").read_bytes()
    result = CliRunner().invoke(app, ["predict", "-", "--model", str(model_path), "--output", "-"], input=content)
    assert result.exit_code == 0, result.output
    text = io.StringIO(result.stdout)
    rows = pd.read_json(text, lines=True) if form == "jsonl" else pd.read_csv(text, keep_default_na=False)
    assert rows["song_name"].tolist() == ["Drone", "Gården"]
    assert rows["missing_features"].tolist() == ["", "tempo"]
    assert "1 of 2 songs have a value that cannot be used" in result.stderr
    assert "row 2, column tempo: '1000" in result.stderr


def test_standard_input_that_is_no_songs_is_called_by_its_name(model_path: Path) -> None:
    """Guards against an error that names a temporary file."""
    for content, words in ((b"", "Standard input is empty"), (b"a,b\n1,2\n", "Standard input: it lacks")):
        result = CliRunner().invoke(app, ["predict", "-", "--model", str(model_path)], input=content)
        assert result.exit_code == 1
        assert words in result.stderr


def test_the_first_songs_are_shown(model_path: Path, tmp_path: Path) -> None:
    """Guards against half a million rows on the screen, and against titles that are taken for markup."""
    path = songs_csv(tmp_path, {"song_name": "[red]Drone[/no]"}, *({"song_name": f"S{n:03}"} for n in range(1, 50)))
    result = CliRunner().invoke(app, ["predict", str(path), "--model", str(model_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "[red]Drone[/no]" in result.stdout
    assert "S019" in result.stdout
    assert "S020" not in result.stdout
    assert "The first 20 songs" in result.stdout


def test_where_to_write_is_an_argument_or_an_option_but_not_both(model_path: Path, tmp_path: Path) -> None:
    """Guards against one of two files that is not written."""
    path, one, other = str(songs_csv(tmp_path, {})), tmp_path / "one.csv", tmp_path / "other.csv"
    for arguments in ([path, str(one)], [path, "-o", str(other)]):
        result = CliRunner().invoke(app, ["predict", *arguments, "--model", str(model_path)])
        assert result.exit_code == 0, result.output
    assert one.read_bytes() == other.read_bytes()
    result = CliRunner().invoke(app, ["predict", path, str(one), "-o", str(other)])
    assert result.exit_code == 2
    assert "OUT is given twice" in result.stderr


def test_a_model_that_does_not_fit_says_so(model: Model, tmp_path: Path) -> None:
    """Guards against a model of other columns or genres, whose answers would be wrong and look right."""

    def saved(**changes: Any) -> Path:
        path = tmp_path / "model.skops"
        save(model, path)
        content = sio.load(path, trusted=sio.get_untrusted_types(file=path))
        sio.dump(content | changes, path)
        return path

    assert load(saved()).genres.tolist() == ["Ambient", "Jazz", "Punk"]
    with pytest.raises(ModelError, match="does not fit: it was trained on other columns.*energy, tempo"):
        load(saved(columns=["energy", "tempo"]))
    with pytest.raises(ModelError, match="does not fit: it was trained on other columns.*lyrics"):
        load(saved(features="lyrics", columns=None))
    with pytest.raises(ModelError, match="does not fit: the genres it names"):
        load(saved(genres=["Ambient", "Jazz", "Polka"]))
    with pytest.raises(ModelError, match="made by another version"):
        load(saved(format="song-genres model 1"))
    with pytest.raises(ModelError, match="does not fit: its pipeline cannot score"):
        load(saved(pipeline="none"))


def test_a_foreign_or_damaged_file_is_refused(model_path: Path, tmp_path: Path) -> None:
    """Guards against running code from a file: only types that our models have are loaded."""
    text = tmp_path / "text.skops"
    text.write_text("no archive")
    with pytest.raises(ModelError, match="not a song-genres model"):
        load(text)
    cut = tmp_path / "cut.skops"
    cut.write_bytes(model_path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a song-genres model"):
        load(cut)
    foreign = tmp_path / "foreign.skops"
    sio.dump({"format": FORMAT, "pipeline": Path("x")}, foreign)
    with pytest.raises(ModelError, match="refused: it holds types"):
        load(foreign)
    with pytest.raises(ModelError, match="no model at"):
        load(tmp_path / "nowhere.skops")


def test_a_model_that_could_not_be_read_again_is_not_kept(title_model: Model, tmp_path: Path) -> None:
    """Guards against a new estimator that is trained and published, and refused when it is to predict."""
    with pytest.raises(ModelError, match=r"add them to TRUSTED_TYPES in ml/estimators.py: .*test_scoring.Titles"):
        save(title_model, tmp_path / "model.skops")
    assert list(tmp_path.iterdir()) == []


def test_a_tampered_type_is_refused(model_path: Path, tmp_path: Path) -> None:
    """Guards against a model file in which one type was exchanged for a dangerous one."""
    tampered = tmp_path / "tampered.skops"
    with zipfile.ZipFile(model_path) as source, zipfile.ZipFile(tampered, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                content = content.replace(b'"RobustScaler"', b'"system"').replace(
                    b'"sklearn.preprocessing._data"', b'"os"'
                )
            target.writestr(name, content)
    with pytest.raises(ModelError, match="refused|not a song-genres model"):
        load(tampered)
