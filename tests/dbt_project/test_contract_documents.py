"""Documents drawn from the schemas of Spotify's contract, valid and broken: landed as they are, and each one judged."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from extract.answers import array_elements
from tests.conftest import Dbt
from tests.dbt_project.mangled_documents import FEATURES, json_value, mangled
from tests.extract.sandbox.contract import Contract, contract
from warehouse import files
from warehouse.raw import Dataset, land, rows

__all__ = ["contract"]

BATCH = 50
"""Listings in one answer, and in one transaction."""


@dataclass(frozen=True)
class Documents:
    """What a crawl was answered about one track, as text; None is an empty slot."""

    track: str | None
    features: str | None
    artist: str | None


def drawn(contract: Contract, number: int) -> list[Documents]:
    """The documents of `number` listings, every time the same: a third as the schemas have them, the rest broken."""

    def texts(name: str, always: st.SearchStrategy[dict[str, Any]]) -> list[str | None]:
        valid = st.builds(lambda document, more: document | more, contract.documents(name), always)
        return examples(st.one_of(valid.map(json.dumps), valid.flatmap(mangled), valid.flatmap(broken_within)), number)

    plain = st.just({"type": "audio_features"})
    return list(map(
        Documents,
        texts("TrackObject", st.uuids().map(lambda key: {"id": key.hex, "popularity": 30})),
        texts("AudioFeaturesObject", plain | st.just(FEATURES)),
        texts("ArtistObject", st.just({"id": "artist"})),
    ))  # fmt: skip


def examples(strategy: st.SearchStrategy[str | None], number: int) -> list[str | None]:
    """So many examples, every time the same."""
    collected: list[str | None] = []

    @settings(
        max_examples=number, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(text: str | None) -> None:
        collected.append(text)

    collect()
    assert len(collected) >= number
    return collected[:number]


@st.composite
def broken_within(draw: st.DrawFn, document: dict[str, Any]) -> str:
    """The document with something else in place of a value at any depth."""
    whole = json.loads(json.dumps(document))
    inside: Any = whole
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = draw(st.sampled_from(keys))
        if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.booleans()):
            inside[key] = draw(json_value)
            return json.dumps(whole)
        inside = inside[key]


def is_json(text: str | None) -> bool:
    """Whether it is JSON by the RFC, which has neither NaN nor half a surrogate pair."""
    try:
        msgspec.json.decode(text or "")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


def land_as_a_crawl_does(path: Path, documents: list[Documents]) -> None:
    """Land the documents in batches; the tracks that are JSON come out of an answer, as the crawl takes them."""
    dataset = Dataset("contract", "sandbox", is_synthetic=True)
    with files.connect(path) as connection:
        for start in range(0, len(documents), BATCH):
            batch = documents[start : start + BATCH]
            readable = [one.track for one in batch if one.track is not None and is_json(one.track)]
            answer = f'{{"tracks": [{" , ".join(readable)}]}}'
            assert [element.text for element in array_elements(answer, "tracks")] == [
                text.strip(" \t\n\r") for text in readable
            ]
            keys = [f"asked-{number}" for number in range(start, start + len(batch))]
            land(connection, dataset, {
                "tracks": rows("tracks", (
                    {"listing_id": number, "track_id": key, "genre": "Ska", "payload": one.track}
                    for number, (key, one) in enumerate(zip(keys, batch, strict=True), 1)
                )),
                "audio_features": rows("audio_features", (
                    {"track_id": key, "payload": one.features} for key, one in zip(keys, batch, strict=True)
                )),
                "artists": rows("artists", (
                    {"genre": "Ska", "artist_id": key, "payload": one.artist}
                    for key, one in zip(keys, batch, strict=True)
                )),
            })  # fmt: skip


@pytest.mark.parametrize("listings", [100, pytest.param(3_334, marks=pytest.mark.full)])
def test_no_document_is_lost_or_breaks_the_build(contract: Contract, listings: int, tmp_path: Path, dbt: Dbt) -> None:
    """Guards against a document that Spotify may send by its contract, or nearly, and that stops everything."""
    documents = drawn(contract, listings)
    assert len({text for one in documents for text in (one.track, one.features, one.artist)}) > 2 * listings
    path = tmp_path / "warehouse.duckdb"
    land_as_a_crawl_does(path, documents)
    dbt(path, "build", "--exclude", "resource_type:unit_test")
    with files.connect(path, read_only=True) as connection:
        kept = connection.sql(
            """
            select tracks.payload, audio_features.payload, artists.payload
            from raw.tracks
            inner join raw.audio_features using (track_id)
            inner join raw.artists on artists.artist_id = tracks.track_id
            order by tracks.listing_id
            """
        ).fetchall()
        judged = connection.sql(
            "select listing_id from marts.clean_tracks union all select listing_id from marts.rejected_listings "
            "order by all"
        ).fetchall()
        clean = connection.sql("select count(*) from marts.clean_tracks").fetchall()[0][0]
    assert kept == [(one.track, one.features, one.artist) for one in documents]
    assert judged == [(number,) for number in range(1, listings + 1)]
    assert 0 < clean < listings / 2  # else one side of the judgement is not tried
