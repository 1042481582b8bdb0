"""A sound turned by hand: the knobs, what the model hears, and which knob moved its first guess most.

Belongs here: values of the audio features from an address, and their probabilities. Not here: pages, and songs.
"""

import math
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.charts.style import FEATURES
from warehouse.features import AUDIO_FEATURES, DISCRETE_FEATURES, feature_bins, feature_ranges
from web.published import Snapshot
from web.songs import KEYS

if TYPE_CHECKING:
    from ml.model_file import Model

RANKED = 10
_one_at_a_time = ThreadPoolExecutor(1, thread_name_prefix="hearing")
"""scikit-learn changes the process's warning filters while trees predict, which two threads would mix up."""
_waiting: "list[tuple[Model, pd.DataFrame, Future[np.ndarray]]]" = []
_changing = threading.Lock()


class BadValue(ValueError):
    """A value in an address that is none of the feature's; the message says which and what it may be."""


def read_values(given: Mapping[str, str], base: Mapping[str, Any]) -> dict[str, float | None]:
    """The values of the audio features that an address gives, and those of `base` where it gives none.

    Raises `BadValue` for what is no number, or out of the feature's range.
    """
    values = dict(base)
    for name, (low, high) in feature_ranges().items():
        if name not in AUDIO_FEATURES or name not in given:
            continue
        try:
            value = float(given[name])
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise BadValue(f"{FEATURES[name][0]} must be a number from {low:g} to {high:g}.")
        values[name] = value
    return values


def middle(snapshot: Snapshot) -> dict[str, float]:
    """The medians over all songs: where the knobs stand at first. A feature that is unknown throughout is 0."""
    medians = ", ".join(
        f"{'mode' if name in DISCRETE_FEATURES else 'median'}({name})::double as {name}" for name in AUDIO_FEATURES
    )

    def of_all(copy: Snapshot) -> dict[str, float]:
        (found,) = copy.rows(f"select {medians} from marts.clean_tracks")
        return {name: value or 0.0 for name, value in found.items()}

    return dict(snapshot.once("middle", of_all))


def known_of_none(snapshot: Snapshot) -> list[str]:
    """The audio features that are unknown of every song."""
    counts = ", ".join(f"count({name}) as {name}" for name in AUDIO_FEATURES)
    (found,) = snapshot.once("known", lambda copy: copy.rows(f"select {counts} from marts.clean_tracks"))
    return [name for name, songs in found.items() if not songs]


def knobs() -> list[dict[str, Any]]:
    """The knobs in the study's order: feature, name, low, high, step, and factor and unit of the value to show."""
    return [
        {
            "feature": name, "name": FEATURES[name][0], "unit": FEATURES[name][1], "factor": FEATURES[name][2],
            "low": low, "high": high, "step": "1" if name in DISCRETE_FEATURES else "any",
            "names": list(KEYS) if name == "key" else ["minor", "major"] if name == "mode" else None,
        }
        for name, (low, high) in feature_bins().items() if name in AUDIO_FEATURES
    ]  # fmt: skip


def typical(snapshot: Snapshot) -> dict[str, dict[str, list[float]]]:
    """Of each genre and feature: where the middle 80 % of its songs lie (low, high), and its mean.

    Of a feature that takes a few whole values the third is the commonest.
    """
    return snapshot.once("typical", _typical)


def _typical(snapshot: Snapshot) -> dict[str, dict[str, list[float]]]:
    rows = snapshot.rows(
        """
        with running as (
            select genre, feature, lower_bound, upper_bound, tracks as in_bin,
                sum(tracks) over (partition by genre, feature order by bin)
                    / sum(tracks) over (partition by genre, feature) as share
            from marts.feature_distribution where genre is not null
        )
        select genre, feature, min(lower_bound) filter (share >= 0.1) as low,
            min(upper_bound) filter (share >= 0.9) as high, arg_max(lower_bound, in_bin) as commonest,
            any_value(mean) as mean
        from running inner join marts.genre_summary using (genre, feature)
        group by genre, feature order by genre, feature
        """
    )
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        centre = round(row["commonest"]) if row["feature"] in DISCRETE_FEATURES else row["mean"]
        found.setdefault(row["genre"], {})[row["feature"]] = [
            round(float(value), 4) for value in (row["low"], row["high"], centre)
        ]
    return found


def _probabilities(model: "Model", inputs: pd.DataFrame) -> np.ndarray:
    """`predict_probabilities`, together with what others ask meanwhile: fifty songs cost little more than one."""
    answer: Future[np.ndarray] = Future()
    with _changing:
        _waiting.append((model, inputs, answer))
    _one_at_a_time.submit(_answer_all)
    return answer.result()


def _answer_all() -> None:
    from ml.model_file import predict_probabilities  # skops takes half a second to import

    with _changing:
        asked = _waiting[:]
        _waiting.clear()
    for model in {id(model): model for model, *_ in asked}.values():
        parts = [(inputs, answer) for of, inputs, answer in asked if of is model]
        try:
            found = predict_probabilities(model, pd.concat([inputs for inputs, _ in parts], ignore_index=True))
        except Exception as error:
            for _, answer in parts:
                answer.set_exception(error)
            continue
        ends = np.cumsum([len(inputs) for inputs, _ in parts])
        for (_, answer), own in zip(parts, np.split(found, ends[:-1]), strict=True):
            answer.set_result(own)


def hear(
    snapshot: Snapshot,
    values: Mapping[str, float | None],
    base: Mapping[str, float | None],
    song: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the model makes of a sound: `genres`, the first ten with probabilities, `set`, `moved`, `told`, and `hears`.

    `set` has the genres among which the right one is nine times in ten; it is empty for a model without sets.

    `moved` has for each feature that differs from `base` by how much the first genre's probability is higher (0 to 1,
    or below 0) than with that feature alone put back, the largest change first. What the model reads beside the sound
    (title, release year, album) is that of `song`, and unknown without one: `told` has it by the name of the column,
    None where it is unknown. `hears` is whether it reads the sound at all. Raises `ModelError` without a model.
    """
    from ml.inputs import TEXTS
    from ml.sets import members  # scikit-learn takes a second to import

    model = snapshot.model
    changed = [name for name in AUDIO_FEATURES if name in model.columns and values[name] != base[name]]
    sounds = [dict(values), *({**values, name: base[name]} for name in changed)]
    told = {name: (song or {}).get(name) for name in model.columns if name not in AUDIO_FEATURES}
    inputs = pd.DataFrame(sounds)[AUDIO_FEATURES].astype(float)
    for name, value in told.items():
        inputs[name] = pd.Series([value] * len(sounds), dtype=object if name in TEXTS else float)
    probabilities = _probabilities(model, inputs)
    order = np.argsort(-probabilities[0], kind="stable")
    size = 0 if model.threshold is None else np.count_nonzero(members(probabilities[:1], model.threshold))
    first = int(order[0])
    moved = [
        {"feature": name, "name": FEATURES[name][0], "change": float(probabilities[0, first] - back[first])}
        for name, back in zip(changed, probabilities[1:], strict=True)
    ]
    return {
        "genres": [
            {"genre": str(model.genres[place]), "probability": float(probabilities[0, place])}
            for place in order[:RANKED]
        ],
        "set": [str(model.genres[place]) for place in order[:size]],
        "moved": sorted(moved, key=lambda entry: -abs(entry["change"])),
        "told": told, "hears": any(name in model.columns for name in AUDIO_FEATURES),
    }  # fmt: skip
