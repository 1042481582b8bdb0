"""Whatever a source answers, no listing is lost and no build fails: thousands of mangled documents, one `dbt build`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from extract import warehouse
from extract.landing import Dataset, land, rows

BATCHES, BATCH = 3000, 2
RULES = {
    "unreadable_document", "missing_audio_features", "invalid_audio_features", "invalid_tempo_or_time_signature",
    "exact_repeat", "track_repeat", "renamed_repeat",
}  # fmt: skip
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


@pytest.fixture(scope="module")
def listings() -> list[Listing]:
    collected: list[Listing] = []

    @settings(
        max_examples=BATCHES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(listing(), min_size=BATCH, max_size=BATCH))
    def collect(examples: list[Listing]) -> None:
        collected.extend(examples)

    collect()
    return collected


@pytest.fixture(scope="module")
def outcome(
    listings: list[Listing], tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., CompletedProcess[str]]
) -> dict[str, list[dict[str, Any]]]:
    """The clean tracks and rejected listings, after a `dbt build` in which nothing failed."""
    path: Path = tmp_path_factory.mktemp("mangled") / "warehouse.duckdb"
    with warehouse.connect(path) as connection:
        land(connection, Dataset("mangled", "sandbox", is_synthetic=True), {
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
    dbt(path, "build", "--exclude", "resource_type:unit_test")
    with warehouse.connect(path, read_only=True) as connection:
        return {
            table: connection.table(f"marts.{table}").to_arrow_table().to_pylist()
            for table in ("clean_tracks", "rejected_listings")
        }


def test_thousands_of_documents_were_tried(listings: list[Listing]) -> None:
    """A strategy that gives up early would test nothing."""
    assert len(listings) >= BATCHES * BATCH
    documents = {one.track for one in listings if not one.is_good} | {one.features for one in listings}
    assert len(documents) > 2000


def test_each_listing_is_clean_or_rejected_once(
    listings: list[Listing], outcome: dict[str, list[dict[str, Any]]]
) -> None:
    """A listing that is lost, doubled, or rejected without a rule and a reason."""
    ids = sorted(row["listing_id"] for table in outcome.values() for row in table)
    assert ids == list(range(1, len(listings) + 1))
    assert {row["rule"] for row in outcome["rejected_listings"]} <= RULES
    assert all(row["reason"].endswith(".") and len(row["reason"]) > 10 for row in outcome["rejected_listings"])


def test_good_listings_are_clean(listings: list[Listing], outcome: dict[str, list[dict[str, Any]]]) -> None:
    """Rejecting everything would satisfy the other tests."""
    good = {json.loads(one.track or "")["id"]: number for number, one in enumerate(listings, 1) if one.is_good}
    clean = {row["listing_id"] for row in outcome["clean_tracks"]}
    assert len(good) > 500
    assert set(good.values()) <= clean | {
        row["listing_id"] for row in outcome["rejected_listings"] if row["rule"].endswith("_repeat")
    }


def test_clean_values_are_those_of_the_documents(
    listings: list[Listing], outcome: dict[str, list[dict[str, Any]]]
) -> None:
    """A value that came from nowhere: rounded, one of two under an equal key, or made from text that is no number."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs} & set(FEATURES)) == len([key for key, _ in pairs if key in FEATURES])
        return dict(pairs)

    for row in outcome["clean_tracks"]:
        one = listings[row["listing_id"] - 1]
        assert one.features is not None
        document = json.loads(one.features, object_pairs_hook=once)
        for feature in FEATURES:
            value = document.get(feature)
            if feature == "duration_ms" and value is None:
                value = json.loads(one.track or "")["duration_ms"]
            if value is None:
                assert feature == "time_signature"
                assert row[feature] is None
            else:
                assert row[feature] == float(value), (feature, one.features)
