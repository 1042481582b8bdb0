"""The study's protocols repeat the study: its sample, split, SMOTE and words, each learnt from the training part."""

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from ml import protocols
from ml.dataset import ModelError, Tracks
from ml.protocols import PROTOCOLS, STUDY_GENRES, TitleWords, find_protocol
from ml.records import record
from ml.training import fit, fit_job, jobs, save_model
from tests.ml.made_up_tracks import make_tracks
from warehouse.features import AUDIO_FEATURES


def many(sizes: dict[str, int]) -> Tracks:
    genres = [genre for genre, size in sizes.items() for _ in range(size)]
    return make_tracks(genres, [[f"artist {number}"] for number in range(len(genres))])


def test_an_unknown_protocol_is_told_with_those_that_there_are(tracks: Tracks) -> None:
    """Guards against a KeyError for a mistyped name."""
    with pytest.raises(ModelError, match="no protocol 'random'.*artist_grouped, study_2023_04, study_2023_05"):
        fit(tracks, model="prior", protocol="random")


def test_the_first_protocol_takes_pandas_sample_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against another sample than the study's, which took `sample(25000, random_state=538)`."""
    monkeypatch.setattr(protocols, "SAMPLE", 60)
    tracks = many({"A": 60, "B": 60})
    [split] = find_protocol("study_2023_04").splits(tracks)
    sampled = tracks.frame.sample(60, random_state=538).index
    assert sorted([*split.train, *split.test]) == sorted(sampled)
    assert (len(split.train), len(split.test)) == (42, 18)
    assert "A sample of 60 of 120 tracks." in find_protocol("study_2023_04").notes(tracks)


def test_a_small_dataset_is_taken_whole_and_that_is_said() -> None:
    """Guards against a crash, or a silent smaller sample, on datasets below 25,000 tracks."""
    tracks = many({"A": 30, "B": 30})
    [split] = find_protocol("study_2023_04").splits(tracks)
    assert len(split.train) + len(split.test) == 60
    assert (
        "All 60 tracks: there are no more than the study's sample of 25,000."
        in fit(tracks, model="study_forest", protocol="study_2023_04").notes
    )


def test_genres_too_small_for_smote_are_left_out_with_the_reason() -> None:
    """Guards against SMOTE's crash on a genre of one track, and against genres that vanish without a word."""
    tracks = many({"A": 40, "B": 40, "Tiny": 1})
    run = fit(tracks, model="study_forest", protocol="study_2023_04")
    assert list(run.left_out) == ["Tiny"]
    assert run.genres.tolist() == ["A", "B"]


def test_smote_balances_the_training_part_alone() -> None:
    """Guards against resampled held-out rows, and neighbours that the smallest genre has not."""
    tracks = many({"A": 50, "B": 12})
    protocol = find_protocol("study_2023_04")
    [split] = protocol.splits(tracks)
    genres = tracks.frame["genre"].to_numpy(dtype=object)
    rare = genres[split.train].tolist().count("B")
    pipeline = protocol.make("knn", training_genres=genres[split.train])
    assert isinstance(pipeline, SamplingPipeline)
    assert pipeline["smote"].k_neighbors == min(5, rare - 1)
    pipeline.set_params(model=DummyClassifier(strategy="prior"))
    pipeline.fit(tracks.inputs.iloc[split.train], genres[split.train])
    assert pipeline["model"].class_prior_.tolist() == [0.5, 0.5], "what the classifier was given is not balanced"
    run = fit(tracks, model="knn", protocol="study_2023_04")
    assert (run.n_train, run.scores.n) == (len(split.train), len(split.test))


@pytest.mark.parametrize("model", ["knn", "logistic", "study_forest", "lightgbm"])
def test_the_classifier_sees_scaled_features(model: str) -> None:
    """Guards against neighbours by duration alone: milliseconds outweigh all other features where nothing is scaled."""
    tracks = many({"A": 30, "B": 30})
    genres = tracks.frame["genre"].to_numpy(dtype=object)
    pipeline = find_protocol("study_2023_05").make(model, features="audio+title", training_genres=genres)
    assert not isinstance(pipeline["model"], Pipeline), "the features of the registry come after those of the protocol"
    pipeline.set_params(model=DummyClassifier()).fit(tracks.inputs, genres)
    seen = pipeline[:-1].transform(tracks.inputs)
    assert np.median(seen, axis=0) == pytest.approx(np.zeros(seen.shape[1]), abs=1e-9)
    spread = np.subtract(*np.percentile(seen, [75, 25], axis=0))
    assert set(spread.round(9)) <= {0.0, 1.0}


def test_the_second_protocol_takes_the_studys_ten_genres_where_they_are() -> None:
    """Guards against the dataset's own ten where it has the study's, and against a silent choice where it has not."""
    protocol = find_protocol("study_2023_05")
    tracks = many(dict.fromkeys(STUDY_GENRES, 10) | {"Huge": 200})
    [split] = protocol.splits(tracks)
    assert set(tracks.frame["genre"].iloc[split.train]) == set(STUDY_GENRES)
    assert len(split.test) == 20
    assert split.left_out == {"Huge": "it is not among the ten genres"}
    others = many({f"genre {number:02}": 10 + number for number in range(12)})
    [split] = protocol.splits(others)
    assert set(split.left_out) == {"genre 00", "genre 01"}
    assert protocol.notes(others)[-1] == "Not the study's ten genres, which this dataset lacks, but its own 10 largest."


def test_title_words_are_those_that_tell_a_genre() -> None:
    """Guards against stop words, numbers and case among the words, and words of unseen titles."""
    titles = pd.Series(["Moonlight the 1999", "MOONLIGHT sonata", None, "Thunder and rage", "Thunder!", "thunder"])
    words = TitleWords(per_genre=1).fit(titles, np.array(["Quiet"] * 3 + ["Loud"] * 3, dtype=object))
    assert words.words_.tolist() == ["moonlight", "thunder"]
    found = words.transform(pd.Series(["Moonlight moonlight thunder", "the rage", None], dtype=object))
    assert found.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_titles_without_words_give_no_columns() -> None:
    """Guards against scikit-learn's 'empty vocabulary' for datasets without titles."""
    words = TitleWords().fit(pd.Series([None, "the", "12"], dtype=object), np.array(["A", "B", "B"], dtype=object))
    assert words.transform(pd.Series(["thunder"])).shape == (1, 0)


def test_words_are_chosen_from_the_training_part_alone() -> None:
    """Guards against titles of held-out tracks that choose the columns."""
    tracks = many({"A": 40, "B": 40})
    [split] = find_protocol("study_2023_05").splits(tracks)
    tracks.frame["song_name"] = "common"
    tracks.frame.loc[split.test, "song_name"] = "secret"
    run = fit(tracks, model="lightgbm", protocol="study_2023_05")
    assert run.model.pipeline["features"].named_transformers_["title"].words_.tolist() == ["common"]
    assert run.features == "audio+title"


def test_every_protocol_gives_the_same_figures_for_each_of_its_models() -> None:
    """Guards against protocols whose figures cannot stand side by side."""
    tracks = make_tracks(
        ["Ambient", "Punk"] * 60, [[f"artist {number // 2}"] for number in range(120)], loudness={"Ambient": -30.0}
    )
    for name in ("study_2023_04", "study_2023_05"):
        runs = [fit_job(tracks, job) for job in jobs(tracks, name)]
        assert [run.name for run in runs] == list(PROTOCOLS[name].models)
        assert len({tuple(run.splits[0].test) for run in runs}) == 1
        for run in runs[1:]:
            assert run.scores.top_1 > 0.7, run.name
            assert run.scores.top_1_low <= run.scores.top_1 <= run.scores.top_1_high


def test_the_studys_protocols_are_never_published_nor_stretched(tracks: Tracks, connection, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Guards against a model on offer whose figures are flattered, and against folds or models the study had not."""
    run = fit(tracks, model="study_forest", protocol="study_2023_04")
    with pytest.raises(ModelError, match="neither kept nor published"):
        save_model(run, tmp_path)
    with pytest.raises(ModelError, match="neither kept nor published"):
        record(connection, run, None, published=True)
    with pytest.raises(ModelError, match="is one split, not 5 folds"):
        fit(tracks, model="study_forest", protocol="study_2023_04", folds=5)
    with pytest.raises(ModelError, match="does not compare 'mlp'. It compares: prior, knn, logistic, study_forest"):
        fit(tracks, model="mlp", protocol="study_2023_04")
    with pytest.raises(ModelError, match=r"the study's own features, audio, and not audio\+year"):
        fit(tracks, model="prior", protocol="study_2023_04", features="year+audio")
    with pytest.raises(ModelError, match="no features 'sound'"):
        fit(tracks, model="prior", protocol="study_2023_04", features="sound")


def test_one_genre_or_next_to_no_tracks_are_an_error() -> None:
    """Guards against a perfect score for a question that was none."""
    for protocol in ("study_2023_04", "study_2023_05"):
        with pytest.raises(ModelError, match="Nothing to tell apart"):
            fit(many({"Only": 30}), model="study_forest", protocol=protocol)
        with pytest.raises(ModelError, match="too few tracks"):
            fit(many({"Only": 1}), model="study_forest", protocol=protocol)


def test_unknown_values_are_filled_before_smote() -> None:
    """Guards against SMOTE's refusal of unknown values."""
    tracks = many({"A": 30, "B": 20})
    tracks.frame["time_signature"] = np.nan
    tracks.frame.loc[::3, "tempo"] = np.nan
    run = fit(tracks, model="study_forest", protocol="study_2023_05")
    assert "Unknown of every track, so of no use: time_signature." in run.notes
    assert set(run.feature_importances["feature"]) == {*AUDIO_FEATURES, "song_name"}
