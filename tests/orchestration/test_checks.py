"""The asset checks that are rules of ours and need no run: what they count, and what they let pass."""

import duckdb

from orchestration.checks import check_documents
from warehouse.raw import Dataset, land, rows


def test_a_document_that_is_no_json_is_counted_and_a_missing_one_is_not() -> None:
    """Guards against a check that warns of every track of which the source has no features."""
    documents = ['{"energy": 0.5}', '{"energy": 0.5', None, "null"]
    with duckdb.connect() as connection:
        features = rows("audio_features", [{"track_id": str(n), "payload": one} for n, one in enumerate(documents)])
        land(connection, Dataset("tiny", "dump:x"), {"audio_features": features})
        land(connection, Dataset("other", "dump:y"), {"tracks": rows("tracks", [{"listing_id": 1, "payload": "{"}])})
        results = {check.asset_key.path[1]: check for check in check_documents(connection, "tiny")}
    assert {table: check.passed for table, check in results.items()} == {
        "artists": True, "tracks": True, "audio_features": False, "popularity": True,
    }  # fmt: skip
    assert {name: value.value for name, value in results["audio_features"].metadata.items()} == {
        "documents": 4, "no JSON": 1,
    }  # fmt: skip
