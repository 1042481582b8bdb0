"""Whatever a source answers, no listing is lost and no build fails: thousands of mangled documents, one `dbt build`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Dbt
from tests.dbt_project.mangled_documents import FEATURES, Listing, land_mangled, mangled_listings
from warehouse import files

BATCHES, BATCH = 3000, 2
RULES = {
    "unreadable_document", "missing_audio_features", "invalid_audio_features", "invalid_tempo_or_time_signature",
    "exact_repeat", "track_repeat", "renamed_repeat",
}  # fmt: skip


@pytest.fixture(scope="module")
def listings() -> list[Listing]:
    return mangled_listings(BATCHES, BATCH)


@pytest.fixture(scope="module")
def outcome(
    listings: list[Listing], tmp_path_factory: pytest.TempPathFactory, dbt: Dbt
) -> dict[str, list[dict[str, Any]]]:
    """The clean tracks and rejected listings, after a `dbt build` in which nothing failed."""
    path: Path = tmp_path_factory.mktemp("mangled") / "warehouse.duckdb"
    land_mangled(path, listings)
    dbt(path, "build", "--exclude", "resource_type:unit_test")
    with files.connect(path, read_only=True) as connection:
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
