"""Listings of which the documents are mangled in every way that a source, a proxy or a full disk may.

Belongs here: making and landing them. Not here: what should become of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from warehouse import files
from warehouse.raw import Dataset, land, rows

FEATURES = {
    "danceability": 0.5, "energy": 0.6, "key": 1, "loudness": -7.5, "mode": 1, "speechiness": 0.05,
    "acousticness": 0.1, "instrumentalness": 0.0, "liveness": 0.2, "valence": 0.4, "tempo": 120.0,
    "duration_ms": 200000, "time_signature": 4,
}  # fmt: skip

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
strange_text = st.sampled_from(
    [
        "",
        " ",
        "null",
        "NaN",
        "inf",
        "-Infinity",
        "1e400",
        "1_000",
        "0x1F",
        "4.0",
        "4.5",
        "0,5",
        "١٢",
        "\x00",
        "'; --",
        '"',
        "💥",
    ]
)
json_value: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # NaN and infinity among them: json.dumps writes the words that some servers write
    | text
    | strange_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Listing:
    """One listing as landed; `is_good` where nothing was done to its documents."""

    track: str | None
    features: str | None
    genre: str | None
    by_listing: bool
    is_good: bool


@st.composite
def mangled(draw: st.DrawFn, good: dict[str, Any]) -> str | None:
    """The document `good` as text, after something went wrong with it."""
    document = dict(good)
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(list(good)))
        if draw(st.booleans()):
            document[key] = draw(json_value)
        else:
            document.pop(key, None)
    whole = json.dumps(document, ensure_ascii=draw(st.booleans()))
    how = draw(st.sampled_from([*["as it is"] * 5, "twice", "cut", "other", "text", "null", "list", "surrogate"]))
    if how == "twice":
        key = draw(st.sampled_from(list(good)))
        return whole[:-1] + ("," if len(whole) > 2 else "") + f'"{key}": {json.dumps(draw(json_value))}}}'
    if how == "cut":
        return whole[: draw(st.integers(0, len(whole)))]
    if how == "other":
        return json.dumps(draw(json_value))
    if how == "text":
        return draw(text)
    if how == "null":
        return draw(st.sampled_from([None, "null", " null ", "{}", "[]"]))
    if how == "list":
        return f"[{whole}]"
    if how == "surrogate":
        return whole[:-1] + ("," if len(whole) > 2 else "") + r'"name": "\ud800"}'
    return whole


@st.composite
def listing(draw: st.DrawFn) -> Listing:
    """A listing of which the track document, the features or nothing is mangled."""
    track = {"id": draw(st.uuids()).hex, "name": draw(text), "popularity": draw(st.integers(0, 100)),
             "artists": [{"id": "x", "name": draw(text)}], "duration_ms": 1000}  # fmt: skip
    what = draw(st.sampled_from(["nothing", "track", "features", "both", "both", "genre"]))
    return Listing(
        track=draw(mangled(track)) if what in ("track", "both") else json.dumps(track, ensure_ascii=False),
        features=draw(mangled(FEATURES)) if what in ("features", "both") else json.dumps(FEATURES),
        genre=draw(st.sampled_from([None, ""])) if what == "genre" else "Ska",
        by_listing=draw(st.booleans()),
        is_good=what == "nothing",
    )


def mangled_listings(batches: int, batch: int = 2) -> list[Listing]:
    """`batches` times `batch` listings, every time the same."""
    collected: list[Listing] = []

    @settings(
        max_examples=batches, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(listing(), min_size=batch, max_size=batch))
    def collect(examples: list[Listing]) -> None:
        collected.extend(examples)

    collect()
    return collected


MANGLED = Dataset("mangled", "sandbox", is_synthetic=True)


def land_mangled(path: Path, listings: list[Listing], dataset: Dataset = MANGLED) -> None:
    """Land the listings in `dataset`, which becomes the active one of the warehouse at `path`."""
    with files.connect(path) as connection:
        land(connection, dataset, {
            "tracks": rows("tracks", (
                {"listing_id": n, "track_id": f"asked-{n}", "genre": one.genre, "payload": one.track}
                for n, one in enumerate(listings, 1)
            )),
            "audio_features": rows("audio_features", (
                {"track_id": f"asked-{n}", "listing_id": n if one.by_listing else None, "payload": one.features}
                for n, one in enumerate(listings, 1)
            )),
            "popularity": rows("popularity", (
                {"track_id": f"asked-{n}", "payload": one.features} for n, one in enumerate(listings, 1) if n % 7 == 0
            )),
        })  # fmt: skip
