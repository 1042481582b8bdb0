"""One training run: fit on the training part, score on the held-out part.

Belongs here: the order of the steps and the run's identity. Not here: what is fitted (estimators.py), on which rows
(protocols.py), what the figures mean (evaluation.py), and how a run is recorded (records.py).
"""

import hashlib
import re
import resource
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from ml.dataset import ModelError, Split, TooLittleToLearn, Tracks
from ml.evaluation import Scores, calibration, confusions, importances, runner_ups, score, score_genres, surprises
from ml.inputs import columns_of, normalised
from ml.model_file import Model, predict_probabilities, save
from ml.protocols import find_protocol
from ml.sets import Measured, measure, threshold, together
from warehouse.features import AUDIO_FEATURES

IMPORTANCE_TRACKS = 2_000
"""Columns are shuffled among at most this many held-out tracks: 132 genres take seconds, not hours."""
IMPORTANCE_REPEATS = 3
FEW_ARTISTS = 30
"""Held-out artists below which the run says that a bootstrap over them cannot tell how uncertain the figures are."""
FEW_TRACKS = 5
"""Tracks of a genre below which a model may not be possible: `knn` has 5 neighbours, `logistic` 5 folds."""
STUDY_FOREST_BYTES = 4e9
"""What the study's unpruned trees may take. A node keeps 8 bytes for every genre, and each of the 150 trees has about
a node for each track (measured: 0.97 on 10,000 to 25,000 tracks of 132 genres, 0.52 on 20,000 of 6)."""
CODE = (
    "dataset.py", "estimators.py", "evaluation.py", "features.py", "inputs.py", "protocols.py", "sets.py",
    "settings.py",
    "training.py",
)  # fmt: skip
"""The modules that a run's figures depend on: a change to one of them is another run."""
VERSIONS = ("scikit-learn", "numpy", "lightgbm", "imbalanced-learn")


@dataclass(frozen=True)
class Summary:
    """What is shown of a run beside others: its name, its inputs, its metrics, and on which tracks they were measured.

    `held_out_digest` is equal for runs of the same tracks (`Tracks.digest`) that held out the very same ones.
    """

    run_id: str
    name: str
    features: str
    n_genres: int
    n_artists_test: int
    held_out_digest: str
    scores: Scores


@dataclass(frozen=True)
class Run:
    """A model with its figures on the held-out tracks, not yet recorded.

    Over several folds every figure is of all folds' held-out tracks together, and there is no single model. `genres`
    are those learnt, sorted. `notes` are sentences on what to know about the figures.
    """

    run_id: str
    name: str
    features: str
    protocol: str
    seed: int
    tracks: Tracks
    splits: list[Split]
    genres: np.ndarray
    scores: Scores
    n_artists_test: int
    genre_scores: pd.DataFrame
    confusions: pd.DataFrame
    runner_ups: pd.DataFrame
    calibration: pd.DataFrame
    feature_importances: pd.DataFrame
    surprises: pd.DataFrame
    fit_seconds: float
    predict_seconds: float
    peak_mb: float
    notes: list[str]
    fitted: Model | None

    @property
    def model(self) -> Model:
        """The fitted model. Raises `ModelError` for a run over several folds, which has one model per fold."""
        if self.fitted is None:
            raise ModelError(
                f"{self.run_id} is a run over {self.folds} folds: it has no single model. Train one split."
            )
        return self.fitted

    @property
    def summary(self) -> "Summary":
        """What is shown of the run beside others."""
        rows = [np.sort(split.test).tobytes() for split in self.splits]
        held_out = hashlib.md5(b"|".join(rows), usedforsecurity=False).hexdigest()
        n_artists = self.n_artists_test
        return Summary(self.run_id, self.name, self.features, len(self.genres), n_artists, held_out, self.scores)

    @property
    def folds(self) -> int:
        """The number of splits."""
        return len(self.splits)

    @property
    def left_out(self) -> dict[str, str]:
        """Genres that were not learnt, with the reason."""
        return self.splits[0].left_out

    @property
    def n_train(self) -> int:
        """Training tracks, before any resampling; the mean over the folds."""
        return round(np.mean([len(split.train) for split in self.splits]))

    @property
    def n_set_aside(self) -> int:
        """Tracks in neither part; the mean over the folds."""
        return round(np.mean([len(split.set_aside) for split in self.splits]))


@dataclass(frozen=True)
class Job:
    """What is to be fitted: a model of the registry, on which inputs, by which splits of a protocol.

    Raises `ModelError` for inputs that there are not.
    """

    model: str
    splits: list[Split]
    features: str = "audio"
    protocol: str = "artist_grouped"
    seed: int = 538

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", normalised(self.features))  # year+audio is the run of audio+year

    def run_id(self, tracks: Tracks) -> str:
        """The same data, splits, settings, code and versions give the same id: a repeated run replaces itself."""
        digest = hashlib.sha256(tracks.digest.encode())
        for frame in (tracks.frame, tracks.also_listed):
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        for split in self.splits:
            digest.update(split.train.tobytes() + b"|" + split.test.tobytes())
        for module in CODE:
            digest.update(resources.files("ml").joinpath(module).read_bytes())
        settings = (tracks.dataset, self.protocol, len(self.splits), self.model, self.features, self.seed)
        digest.update(repr((settings, *(version(name) for name in VERSIONS))).encode())
        # The id is a folder's name, which cannot be as long or as odd as a dataset's.
        dataset = re.sub(r"[^A-Za-z0-9_.-]+", "_", tracks.dataset)[:60]
        return f"{dataset}-{self.protocol}-{self.model}-{digest.hexdigest()[:8]}"


def jobs(
    tracks: Tracks,
    protocol: str = "artist_grouped",
    *,
    models: Sequence[str] | None = None,
    features: str | None = None,
    folds: int = 1,
    seed: int = 538,
) -> list[Job]:
    """What a protocol asks for: each of `models` (by default those that it compares) on the very same splits.

    `features` are by default the protocol's, or audio where it leaves the choice. Raises `ModelError`: no such
    protocol, or features or folds that it does not have; `TooLittleToLearn`: it cannot split `tracks`.
    """
    plan = find_protocol(protocol)
    inputs = plan.inputs(features)
    splits = plan.splits(tracks, folds=folds, seed=seed)
    return [Job(model, splits, inputs, protocol, seed) for model in models or plan.models]


def fit(tracks: Tracks, *, model: str, explain: bool = True, split: Split | None = None, **settings: Any) -> Run:
    """`fit_job` of one model; `split` takes the place of the protocol's, `settings` are those of `jobs`."""
    (job,) = jobs(tracks, models=[model], **settings) if split is None else [Job(model, [split], **settings)]
    return fit_job(tracks, job, explain=explain)


def sample_for_study_forest(tracks: Tracks, split: Split, *, seed: int = 538) -> Split:
    """`split` with no more training tracks than the study's forest has memory for; the study had 17,500 at most.

    The held-out part stays the same, so that the forest can still be compared. `n_train` of the run says how many.
    """
    genres = tracks.frame["genre"].to_numpy(dtype=object)[split.train]
    most = int(STUDY_FOREST_BYTES / (150 * 8 * len(np.unique(genres))))
    if len(split.train) <= most:
        return split
    sampled = pd.Series(split.train).sample(most, random_state=seed)
    # Every genre keeps a track, else the forest would not know the genre.
    first = split.train[np.unique(genres, return_index=True)[1]]
    return replace(split, train=np.union1d(sampled, first))


def fit_job(tracks: Tracks, job: Job, *, explain: bool = False) -> Run:
    """Fit the model on the training part of each split and score it on the held-out part, which it never sees.

    With `explain` there are feature importances, which take longer than all other figures. Same tracks, seed and
    library versions give the same figures. Raises `ModelError`: unknown model or features; `TooLittleToLearn`: too
    few tracks for this model.
    """
    plan, splits, name, features, seed = find_protocol(job.protocol), job.splits, job.model, job.features, job.seed
    run_id = job.run_id(tracks)
    genres = tracks.frame["genre"].to_numpy(dtype=object)
    fit_seconds = predict_seconds = 0.0
    converged = True
    parts, shuffled, n_shuffled = [], [], 0
    measured: list[Measured | None] = []
    with PeakMemory() as memory:
        for split in splits:
            started = time.perf_counter()
            pipeline = plan.make(name, features=features, seed=seed, training_genres=genres[split.train])
            model = Model(run_id, name, pipeline, tracks.dataset, tracks.is_synthetic, features, plan.name)
            with _enough_for(name, tracks.dataset, genres[split.train]):
                converged &= _converges(pipeline, tracks.inputs.iloc[split.train], genres[split.train])
                fit_seconds += time.perf_counter() - started
                started = time.perf_counter()
                parts.append(predict_probabilities(model, tracks.inputs.iloc[split.test]))
            predict_seconds += time.perf_counter() - started
            if not plan.is_studys:
                true = np.searchsorted(model.genres, genres[split.test])
                measured.append(measure(true, parts[-1], tracks.first_artists[split.test], seed=seed))
                limit = threshold(parts[-1][np.arange(len(true)), true])
                model = replace(model, threshold=limit)
            if explain:
                rows = _sample(split.test, IMPORTANCE_TRACKS // len(splits), seed)
                shuffled.append(_shuffle(model, tracks, rows, seed))
                n_shuffled += len(rows)
    probabilities, classes = np.concatenate(parts), model.genres
    test = np.concatenate([split.test for split in splits])
    true, artists = genres[test], tracks.first_artists[test]
    sets, also_listed = together(measured), tracks.also_listed_of(test)
    n_artists = len(np.unique(artists))
    notes = plan.notes(tracks) + _input_notes(tracks, features) + _artist_notes(tracks)
    if not converged:
        notes.append("It stopped at its limit of iterations, before it had converged.")
    if n_artists < FEW_ARTISTS:
        notes.append(f"Only {n_artists} artists are held out: the figures are rough, and their intervals too narrow.")
    columns = model.columns if explain else []
    falls = np.concatenate(shuffled, axis=1) if explain else np.empty((0, IMPORTANCE_REPEATS))
    odd = surprises(true, probabilities, classes)
    songs = tracks.frame.iloc[test[odd.pop("row")]]
    return Run(
        run_id=run_id,
        name=name,
        features=features,
        protocol=plan.name,
        seed=seed,
        tracks=tracks,
        splits=splits,
        genres=classes,
        scores=score(true, probabilities, classes, also_listed=also_listed, sets=sets, artists=artists, seed=seed),
        n_artists_test=n_artists,
        genre_scores=score_genres(true, probabilities, classes, sets),
        confusions=confusions(true, probabilities, classes, also_listed),
        runner_ups=runner_ups(true, probabilities, classes),
        calibration=calibration(true, probabilities, classes),
        feature_importances=pd.DataFrame(
            {
                "feature": columns,
                "importance": falls.mean(axis=1),
                "standard_deviation": falls.std(axis=1, ddof=1),
                "repeats": falls.shape[1],
                "n_tracks": n_shuffled,
            }
        ),
        surprises=odd.assign(
            **{name: songs[name].to_numpy() for name in ("spotify_track_id", "song_name", "artist_name")}
        ),
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        peak_mb=memory.megabytes,
        notes=notes,
        fitted=model if len(splits) == 1 else None,
    )


@contextmanager
def _enough_for(name: str, dataset: str, genres: np.ndarray) -> Iterator[None]:
    """Say of an estimator's own error that there are too few tracks, where a training part of these `genres` has few.

    With enough tracks in each genre it is a fault of the program, and stays what it is.
    """
    try:
        yield
    except ModelError:
        raise
    except ValueError as error:
        names, sizes = np.unique(genres, return_counts=True)
        if sizes.min() >= FEW_TRACKS:
            raise
        raise TooLittleToLearn(
            f"{dataset!r} has too few tracks for the model {name}: {len(genres)} to learn {len(names)} genres from, "
            f"and only {sizes.min()} of {names[sizes.argmin()]}. Import a dump with more tracks, or take another model."
        ) from error


def _converges(pipeline: BaseEstimator, inputs: pd.DataFrame, genres: np.ndarray) -> bool:
    """Fit the pipeline and return whether it converged: the run gets one note instead of fifty warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class")  # in inner folds, which is no harm
        pipeline.fit(inputs, genres)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def _input_notes(tracks: Tracks, features: str) -> list[str]:
    """Notes on inputs of no use (unknown of every track, or the same), and on what else is not known of all tracks."""
    columns, total = columns_of(features), len(tracks.frame)
    values = tracks.inputs[columns]
    distinct, unknown_of = values.nunique(), values.isna().sum()
    unknown = [name for name in columns if distinct[name] == 0]
    constant = [name for name in columns if distinct[name] == 1 and not unknown_of[name]]
    partly = [name for name in columns if name not in AUDIO_FEATURES and 0 < unknown_of[name] < total]
    notes = [f"{name} is unknown of {unknown_of[name]:,} of {total:,} tracks." for name in partly]
    if unknown:
        notes.append(f"Unknown of every track, so of no use: {', '.join(unknown)}.")
    if constant:
        notes.append(f"The same for every track, so of no use: {', '.join(constant)}.")
    return notes


def _artist_notes(tracks: Tracks) -> list[str]:
    """What it means for the figures that artists are unknown."""
    nameless, total = int(tracks.frame["artist_name"].isna().sum()), len(tracks.frame)
    if not nameless:
        return []
    which = "any track" if nameless == total else f"{nameless:,} of {total:,} tracks"
    return [
        f"No artist is known of {which}: each counts as an artist of its own, so an artist may be on both sides of the "
        "split, which flatters the figures."
    ]


def _sample(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(rows)[:size])


def _shuffle(model: Model, tracks: Tracks, rows: np.ndarray, seed: int) -> np.ndarray:
    def guess(inputs: pd.DataFrame) -> np.ndarray:
        return model.genres[np.argmax(predict_probabilities(model, inputs), axis=1)]

    inputs, genres = tracks.inputs.iloc[rows][model.columns], tracks.frame["genre"].to_numpy(dtype=object)[rows]
    return importances(model.pipeline, guess, inputs, genres, repeats=IMPORTANCE_REPEATS, seed=seed)


class PeakMemory:
    """The highest resident memory of this process while the block runs, in MB, sampled 20 times a second.

    Everything counts that the process holds, data and libraries included, but no child processes. The system's own
    peak (ru_maxrss) is of the process's whole life, so it is used only where /proc is missing.
    """

    _STATM = Path("/proc/self/statm")

    def __enter__(self) -> Self:
        self.megabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        self._look()
        while not self._done.wait(0.05):
            self._look()
        self._look()

    def _look(self) -> None:
        if self._STATM.exists():
            resident = int(self._STATM.read_text().split()[1]) * resource.getpagesize()
        else:
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes
        self.megabytes = max(self.megabytes, resident / 1e6)


def save_model(run: Run, folder: Path) -> Path:
    """Write the run's model to `folder`/<run_id>/model.skops and return that path.

    Raises `ModelError` for a run that has no model to keep: over several folds, or by a protocol of the study.
    """
    require_publishable(run)
    path = folder / run.run_id / "model.skops"
    save(run.model, path)
    return path


def require_publishable(run: Run) -> None:
    """Raise `ModelError` for a run that has no model to keep: over several folds, or by a protocol of the study."""
    if find_protocol(run.protocol).is_studys:
        raise ModelError(
            f"{run.run_id} repeats the study, for comparison alone: it is neither kept nor published. Train by "
            "artist_grouped."
        )
    _ = run.model
