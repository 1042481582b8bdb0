"""A run that is killed in each of its steps in turn, each time re-executed from failure: as if nothing had been."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import PATIENCE, ROOT, own_environment
from tests.end_to_end.conftest import contents
from warehouse.files import connect

KILLS = [
    ("importing songs.csv", 1),
    ("dbt build", 60),
    ("train and evaluate", 1),
    ("the study's protocols", 0),
    ("predict", 1),
    ("documentation", 0),
    ("publishing", 0),
    ("export", 0),
    ("report", 0),
]
"""The stages, as they call themselves, and how far they have come."""

MEASURED = ("ml.model_runs", "ml.verdicts")
"""The tables that hold seconds and times."""


def run(folder: Path, *kills: tuple[str, int]) -> None:
    """Run everything in `folder`, killed as often as said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.end_to_end.killed_run", folder, *(f"{stage}:{done}" for stage, done in kills)],
        cwd=ROOT,
        env=own_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def tables(folder: Path) -> dict[str, tuple[int, int]]:
    """What the published copy holds in marts and ml, but for the runs' own seconds and times."""
    with connect(folder / "data" / "song_genres.duckdb", read_only=True) as connection:
        held = contents(connection)
    return {name: held[name] for name in held if name.startswith(("marts.", "ml.")) and name not in MEASURED}


@pytest.mark.full
def test_killed_in_each_step_and_re_executed_it_ends_as_if_undisturbed(finished: Path, tmp_path: Path) -> None:
    """Guards against a step that leaves half of its work, and one that is done twice."""
    disturbed, undisturbed = tmp_path, finished
    shutil.copyfile(finished / "songs.csv", disturbed / "songs.csv")
    run(disturbed, *KILLS)
    assert tables(disturbed) == tables(undisturbed)
    with instance_of(disturbed) as instance, instance_of(undisturbed) as other:
        assert materialisations(instance) == materialisations(other)
        assert set(materialisations(instance).values()) == {1}


def instance_of(folder: Path) -> dg.DagsterInstance:
    """Dagster's instance of the runs in `folder`."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        return dg.DagsterInstance.from_config(str(ROOT))


def materialisations(instance: dg.DagsterInstance) -> Counter[str]:
    """How often each asset was made, in all runs."""
    counts: Counter[str] = Counter()
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            counts[entry.get_dagster_event().asset_key.to_user_string()] += 1
    return counts
