"""Where Dagster keeps its records of runs, and what it learns about a run whose process is gone."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from orchestration.instance import WatchedRunLauncher
from tests.conftest import ROOT


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, below which the records are kept."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_records_lie_in_data_dagster_and_are_found_again(working_directory: Path) -> None:
    """Guards against records in a temporary folder, without which no stopped run can be re-executed."""
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(["marts", "clean_tracks"]))
    with dg.DagsterInstance.from_config(str(ROOT)) as again:
        assert again.get_latest_materialization_event(dg.AssetKey(["marts", "clean_tracks"]))
    assert (working_directory / "data" / "dagster" / "history" / "runs" / "index.db").exists()


@pytest.mark.parametrize(
    ("pid", "answer"),
    [(os.getpid(), "RUNNING"), (2**22 + 1, "FAILED"), (None, "RUNNING")],
    ids=["alive", "gone", "not yet begun"],
)
def test_a_run_whose_process_is_gone_has_failed(working_directory: Path, pid: int | None, answer: str) -> None:  # noqa: ARG001
    """Guards against a killed run that is "started" for ever, for which every later run waits.

    2**22 is the largest number that Linux gives a process.
    """
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition(name="nothing").to_job())
        if pid is not None:
            instance.report_engine_event(
                "Executing steps in process", run, EngineEventData({"pid": dg.MetadataValue.text(str(pid))})
            )
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_launcher.check_run_worker_health(run).status.name == answer
