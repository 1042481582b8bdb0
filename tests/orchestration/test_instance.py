"""Where Dagster keeps its records of runs, as dagster.yaml says."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from tests.conftest import ROOT


def test_events_are_kept_and_do_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against seconds between a click on Materialize and the answer, and against records that nobody finds."""
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(["marts", "clean_tracks"]))
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        for shard in ("index", "a run"):
            with storage._connect(shard) as connection:
                assert connection.exec_driver_sql("pragma synchronous").scalar() == 0
    with dg.DagsterInstance.from_config(str(ROOT)) as again:
        assert again.get_latest_materialization_event(dg.AssetKey(["marts", "clean_tracks"]))
    assert (tmp_path / "data" / "dagster" / "history" / "runs" / "index.db").exists()
