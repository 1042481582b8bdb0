"""The published copy is replaced when every mart was built and tested, and stays as it is when a test failed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from ml.dataset import Split, Tracks, split_by_artist
from ml.estimators import ESTIMATORS
from orchestration.cli import app
from tests.conftest import PATIENCE, ROOT
from warehouse import files, raw
from warehouse.files import WarehouseError
from warehouse.progress import ignore
from warehouse.publication import require_tested_build, shown_model
from warehouse.raw import Dataset

# dagster-dbt uses what dagster is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

WAREHOUSE, PUBLISHED = "data/warehouse.duckdb", "data/song_genres.duckdb"
EVERYTHING_BELOW = ("staging", "intermediate", "marts", "ml", "report")


def materialise(*groups: str, model: str = "lightgbm", refit: bool = False) -> dg.ExecuteInProcessResult:
    """Materialise the groups in the working directory, as one run."""
    from orchestration.definitions import definitions

    defined = definitions(ignore)
    graph = defined.resolve_asset_graph()
    with dg.DagsterInstance.ephemeral() as instance:
        return defined.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[key for key in graph.executable_asset_keys if graph.get(key).group_name in groups],
            run_config={"ops": {"genre_model": {"config": {"model": model, "refit": refit}}}} if "ml" in groups else {},
            raise_on_error=False,
        )


def seen(folder: Path) -> dict[str, bytes]:
    """What people look at."""
    return {name: (folder / name).read_bytes() for name in (PUBLISHED, "reports/index.html")}


def told(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step of a run says of its failure."""
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a warehouse that was built, tested and published: the working directory."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("WAREHOUSE_PATH", str(copy / WAREHOUSE))
    return copy


def test_a_failing_dbt_test_keeps_the_last_good_copy(folder: Path) -> None:
    """Guards against asset checks that fail while the assets below them are made all the same."""
    good = seen(folder)
    with files.connect(folder / WAREHOUSE) as connection:
        impossible = {"endpoint": "search", "attempts": 0, "waited_seconds": 0.0, "elapsed_seconds": 0.0}
        raw.land(connection, Dataset("songs", "x"), {"requests": raw.rows("requests", [impossible])})
    result = materialise(*EVERYTHING_BELOW)
    assert not result.success
    assert "source_in_range_raw_requests_attempts__1 (Got 1 result" in told(result)
    assert "the published copy stays as it is" in told(result)
    assert seen(folder) == good
    by_hand = CliRunner().invoke(app, ["publish"])
    assert by_hand.exit_code == 1
    assert "did not build every model: source_in_range_raw_requests_attempts__1 (fail). The pub" in by_hand.stderr
    assert seen(folder) == good


def test_a_broken_cleaning_rule_keeps_the_last_good_copy(folder: Path, tmp_path: Path) -> None:
    """Guards against a change of the SQL that lets silence through, and a failure that is told in a traceback."""
    good = seen(folder)
    project = tmp_path / "project"
    for package in ("warehouse", "extract", "ml", "orchestration", "dbt_project"):
        shutil.copytree(ROOT / package, project / package)
    for name in ("dbt_project.yml", "profiles.yml", "dagster.yaml"):
        shutil.copyfile(ROOT / name, project / name)
    rule = project / "dbt_project/models/intermediate/int_rejected_invalid_tempo_or_time_signature.sql"
    broken = rule.read_text().replace("tempo < 10", "tempo < -10")
    assert broken != rule.read_text()
    rule.write_text(broken)
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "run", "--input", "auto", "--model", "lightgbm"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(project)}, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "models and tests failed" in done.stderr
    assert "tempo" in done.stderr
    assert "Traceback" not in done.stderr
    assert "dbt build …\n" in done.stderr, "where there is no terminal, stages are told as lines"
    assert "dbt build: done" not in done.stderr
    assert seen(folder) == good


def shown(folder: Path) -> tuple[str | None, str]:
    """The model of the published copy, and what it says of it."""
    with files.connect(folder / PUBLISHED, read_only=True) as connection:
        model = shown_model(connection)
        found = connection.execute("select model from ml.model_runs where is_published").fetchall()
    assert [bool(model.run_id)] * len(found) == [True] * len(found)
    return found[0][0] if found else None, model.finding


def test_a_leaking_split_publishes_the_marts_and_not_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against figures that only look held out: one artist on both sides is enough."""

    def leaking(tracks: Tracks, *, seed: int = 538) -> Split:
        split = split_by_artist(tracks, seed=seed)
        return replace(split, train=np.append(split.train, split.test[0]))

    monkeypatch.setattr("orchestration.training.split_by_artist", leaking)
    result = materialise("ml", "report")
    assert [check.check_name for check in result.get_asset_check_evaluations() if not check.passed] == [
        "nothing_on_both_sides"
    ]
    assert result.success
    model, finding = shown(folder)
    assert model == "lightgbm", "the last good one stays"
    assert finding.startswith("The split leaks: 1 rows are in both parts")
    assert "The split leaks" in (folder / "reports/index.html").read_text(encoding="utf-8")


def test_a_model_worse_than_the_majority_leaves_the_one_before_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a bad model on show, and against a "no" that stops the marts and the report."""

    class Worst(DummyClassifier):  # type: ignore[misc]
        """Gives the rarest genre."""

        def predict_proba(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            """The shares of the others."""
            shares = 1 - super().predict_proba(X)
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    monkeypatch.setitem(ESTIMATORS, "worst", lambda _features, _seed: make_pipeline(Worst(strategy="prior")))
    monkeypatch.setattr("ml.training.save", lambda _model, path: path.parent.mkdir(parents=True) or path.touch())
    result = materialise("ml", "report", model="worst")
    failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    assert "beats_the_majority" in failed
    assert result.success
    model, finding = shown(folder)
    assert model == "lightgbm"
    assert finding.startswith("No: of 108 held-out tracks, worst names the right one of 3 genres for")
    page = (folder / "reports/index.html").read_text(encoding="utf-8")
    assert page.index("No: of 108 held-out tracks") < page.index("What follows is of an earlier run")


def test_models_that_are_not_fitted_again_are_named(folder: Path) -> None:
    """Guards against figures of an earlier run that look like those of a fit just now."""
    del folder
    for refit, words in ((False, "lightgbm (artist_grouped) from models/"), (True, None)):
        result = materialise("ml", refit=refit)
        said = {key: str(value.value) for made in result.asset_materializations_for_node("genre_model")
                for key, value in made.metadata.items() if key == "recalled"}  # fmt: skip
        assert (words is None) == (said == {})
        assert words is None or words in said["recalled"]


def test_publishing_by_hand_after_part_of_a_build_is_refused(folder: Path) -> None:
    """Guards against new marts beside old ones, and against marts that nobody tested."""
    from orchestration.resources import dbt_resource

    good = (folder / PUBLISHED).read_bytes()
    assert CliRunner().invoke(app, ["publish"]).exit_code == 0
    (folder / PUBLISHED).write_bytes(good)
    dbt = dbt_resource()
    for command, words in [
        (["run", "--select", "genre_summary"], "`dbt run` did not build every model"),
        (["run"], "Not every test has passed since the last `dbt run`"),
    ]:
        dbt.cli(["--quiet", *command], target_path=folder / "target").wait()
        refused = CliRunner().invoke(app, ["publish"])
        assert refused.exit_code == 1
        assert words in refused.stderr
        assert (folder / PUBLISHED).read_bytes() == good
    dbt.cli(["--quiet", "test", "--exclude", "resource_type:unit_test"], target_path=folder / "target").wait()
    assert CliRunner().invoke(app, ["publish"]).exit_code == 0


def test_the_documentation_is_one_page_with_types_and_descriptions(folder: Path) -> None:
    """Guards against a page that needs a server, or that knows the models but not the tables that were built."""
    result = CliRunner().invoke(app, ["docs"])
    assert result.exit_code == 0, result.output
    page = (folder / "reports" / "warehouse.html").read_text(encoding="utf-8")
    assert "The study's clean table" in page
    assert '"type": "DOUBLE", "index": 1, "name": "danceability", "comment": ' in page
    assert not list((folder / "reports").glob("*.unfinished"))


@pytest.fixture
def warehouse_of_one_document() -> Iterator[duckdb.DuckDBPyConnection]:
    """In memory: a document of the dataset `songs`, landed at noon, then a build in which all went well."""
    with duckdb.connect() as connection:
        rows = raw.rows("tracks", [{"listing_id": 1, "extracted_at": datetime(2026, 1, 1, 12)}])
        raw.land(connection, Dataset("songs", "dump:x"), {"tracks": rows})
        connection.execute(
            """
            create schema intermediate;
            create schema marts;
            create table marts.cleaning_audit as select 'songs' as dataset;
            create table intermediate.build_results as
            select name, kind, status, 'build' as command, timestamp '2026-01-01 12:01:00' as began_at
            from (values ('clean_tracks', 'model', 'success'), ('unique_x', 'test', 'pass')) as done(name, kind, status)
            """
        )
        yield connection


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("drop table intermediate.build_results", "has built no marts here"),
        ("delete from intermediate.build_results where kind = 'model'", "has built no marts here"),
        ("update intermediate.build_results set status = 'not run'", "it did not end"),
        (
            "update intermediate.build_results set status = 'error' where kind = 'model'",
            r"every model: clean_tracks \(error\)",
        ),
        ("update intermediate.build_results set status = 'fail' where kind = 'test'", r"unique_x \(fail\)"),
        ("update intermediate.build_results set status = 'skipped' where kind = 'test'", "Not every test has passed"),
        ("update marts.cleaning_audit set dataset = 'other'", "hold the dataset other, but songs is the active one"),
        ("update raw.tracks set extracted_at = '2026-01-01 12:02:00'", "landed at 2026-01-01 12:02:00"),
    ],
    ids=[
        "never built",
        "tested alone",
        "killed",
        "model failed",
        "test failed",
        "test skipped",
        "other dataset",
        "newer documents",
    ],
)
def test_what_is_not_published(warehouse_of_one_document: duckdb.DuckDBPyConnection, change: str, words: str) -> None:
    """Guards against a copy of marts that are half built, failed a test, or are older than the documents."""
    require_tested_build(warehouse_of_one_document)
    warehouse_of_one_document.execute(change)
    with pytest.raises(WarehouseError, match=words):
        require_tested_build(warehouse_of_one_document)
