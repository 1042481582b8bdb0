"""The model file and the scoring of songs."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io as sio

from ml.dataset import AUDIO_FEATURES, ModelError, Tracks
from ml.prediction import Model, load, predict_probabilities, predict_songs, predict_tracks, read_songs, write_songs
from ml.training import fit, save_model


@pytest.fixture(scope="module")
def model_path(tracks: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(fit(tracks, model="study_forest"), tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(model_path: Path) -> Model:
    return load(model_path)


def songs_file(folder: Path, **changes: str) -> Path:
    """A CSV of one quiet song; `changes` overwrite its cells."""
    cells = dict.fromkeys(AUDIO_FEATURES, "0.5") | {"loudness": "-25.0", "time_signature": "4", "song_name": "Drone"}
    cells |= changes
    path = folder / "songs.csv"
    path.write_text(",".join(cells) + "\n" + ",".join(cells.values()) + "\n")
    return path


def test_a_saved_model_predicts_as_the_fitted_one(tracks: Tracks, model: Model) -> None:
    """Guards against a file that is another model than the one that was scored."""
    fitted = fit(tracks, model="study_forest").model
    features = tracks.frame[AUDIO_FEATURES]
    assert np.array_equal(predict_probabilities(fitted, features), predict_probabilities(model, features))
    assert (model.dataset, model.is_synthetic) == ("made_up", True)


def test_every_track_has_ranks_in_falling_probability(tracks: Tracks, model: Model) -> None:
    """Guards against tracks lost between batches, and ranks in the wrong order."""
    held_out = np.arange(len(tracks.frame)) % 2 == 0
    rows = predict_tracks(model, tracks.frame, held_out, progress=lambda *_: None)
    assert len(rows) == len(tracks.frame) * 3
    first = rows[rows["spotify_track_id"] == "track0"].sort_values("rank")
    assert first["rank"].tolist() == [1, 2, 3]
    assert first["probability"].is_monotonic_decreasing
    assert first["probability"].sum() == pytest.approx(1.0)
    assert first["held_out"].all()


def test_a_song_is_scored_and_says_what_was_missing(model: Model, tmp_path: Path) -> None:
    """Guards against a missing value that changes the answer unseen."""
    result = predict_songs(model, read_songs(songs_file(tmp_path, energy="", key="NaN")))
    assert result.loc[0, "genre_1"] == "Ambient"
    assert result.loc[0, "missing_features"] == "energy, key"
    assert result.loc[0, "model_data"] == "synthetic"
    assert result.loc[0, "song_name"] == "Drone"


@pytest.mark.parametrize("value", ["fast", "1000", "-1", "inf"])
def test_a_value_that_is_no_tempo_is_named_by_row_and_column(model: Model, tmp_path: Path, value: str) -> None:
    """Guards against a prediction from nonsense."""
    with pytest.raises(ModelError, match=f"row 1, column tempo: '{value}'"):
        predict_songs(model, read_songs(songs_file(tmp_path, tempo=value)))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """Guards against a KeyError for a file of something else."""
    path = tmp_path / "few.csv"
    path.write_text("energy,loudness\n0.5,-3\n")
    with pytest.raises(ModelError, match="lacks the columns danceability, key.*It has: energy, loudness"):
        read_songs(path)


def test_parquet_and_json_lines_are_scored_as_csv_is(model: Model, tmp_path: Path) -> None:
    """Guards against formats that are read differently."""
    expected = predict_songs(model, read_songs(songs_file(tmp_path)))["probability_1"].iloc[0]
    songs = pd.read_csv(tmp_path / "songs.csv")
    songs.to_parquet(tmp_path / "songs.parquet")
    songs.to_json(tmp_path / "songs.jsonl", orient="records", lines=True)
    for name in ("songs.parquet", "songs.jsonl"):
        assert predict_songs(model, read_songs(tmp_path / name))["probability_1"].iloc[0] == expected


def test_scored_songs_are_written_by_ending(model: Model, tmp_path: Path) -> None:
    """Guards against an output that cannot be read back, and against unknown endings written as something."""
    scored = predict_songs(model, read_songs(songs_file(tmp_path)))
    write_songs(scored, tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["genre_1"].tolist() == ["Ambient"]
    with pytest.raises(ModelError, match="unknown ending"):
        write_songs(scored, tmp_path / "out.xlsx")


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
    sio.dump({"format": "song-genres model 2", "pipeline": Path("x")}, foreign)
    with pytest.raises(ModelError, match="refused: it holds types"):
        load(foreign)
    with pytest.raises(ModelError, match="no model at"):
        load(tmp_path / "nowhere.skops")


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
