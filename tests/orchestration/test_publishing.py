"""The published copy is replaced when every mart was built and tested, and stays as it is when a test failed."""

import shutil
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner

from extract import landing, warehouse
from extract.dumps import import_dump
from extract.landing import Dataset
from extract.progress import ignore
from extract.warehouse import WarehouseError
from orchestration.builds import require_tested_build
from orchestration.cli import app

# dagster-dbt uses what dagster is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")
same_worker = pytest.mark.xdist_group("publishing")


def run_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Build, test and publish as the graph does, without the model; whether it went well."""
    from orchestration.definitions import definitions

    monkeypatch.chdir(folder)
    monkeypatch.setenv("WAREHOUSE_PATH", "warehouse.duckdb")
    monkeypatch.setenv("PUBLISHED_PATH", "published.duckdb")
    job = definitions(ignore).resolve_implicit_global_asset_job_def()
    from orchestration.assets.warehouse import dbt_models

    keys = [*dbt_models.keys, dg.AssetKey(["report", "published_database"])]
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False).success


@pytest.fixture(scope="module")
def built(songs_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a warehouse that was built, tested and published."""
    folder = tmp_path_factory.mktemp("publishing")
    import_dump(songs_csv, folder / "warehouse.duckdb", name="songs")
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "AssetExecutionContext")
        assert run_in(folder, monkeypatch)
        yield folder


@pytest.fixture
def folder(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the working directory."""
    copy = Path(shutil.copytree(built, tmp_path / "copy"))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("WAREHOUSE_PATH", str(copy / "warehouse.duckdb"))
    monkeypatch.setenv("PUBLISHED_PATH", "published.duckdb")
    return copy


@same_worker
def test_a_failing_dbt_test_keeps_the_last_good_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against asset checks that fail while the assets below them are made all the same."""
    good = (folder / "published.duckdb").read_bytes()
    with warehouse.connect(folder / "warehouse.duckdb") as connection:
        impossible = {"endpoint": "search", "attempts": 0, "waited_seconds": 0.0, "elapsed_seconds": 0.0}
        landing.land(connection, Dataset("songs", "x"), {"requests": landing.rows("requests", [impossible])})
    assert not run_in(folder, monkeypatch)
    assert (folder / "published.duckdb").read_bytes() == good
    by_hand = CliRunner().invoke(app, ["publish"])
    assert by_hand.exit_code == 1
    assert "did not build every model: source_in_range_raw_requests_attempts__1 (fail). The pub" in by_hand.stderr
    assert (folder / "published.duckdb").read_bytes() == good


@same_worker
def test_publishing_by_hand_after_part_of_a_build_is_refused(folder: Path) -> None:
    """Guards against new marts beside old ones, and against marts that nobody tested."""
    from orchestration.resources import dbt_resource

    good = (folder / "published.duckdb").read_bytes()
    assert CliRunner().invoke(app, ["publish"]).exit_code == 0
    (folder / "published.duckdb").write_bytes(good)
    dbt = dbt_resource()
    for command, words in [
        (["run", "--select", "genre_summary"], "`dbt run` did not build every model"),
        (["run"], "Not every test has passed since the last `dbt run`"),
    ]:
        dbt.cli(["--quiet", *command], target_path=folder / "target").wait()
        refused = CliRunner().invoke(app, ["publish"])
        assert refused.exit_code == 1
        assert words in refused.stderr
        assert (folder / "published.duckdb").read_bytes() == good
    dbt.cli(["--quiet", "test", "--exclude", "resource_type:unit_test"], target_path=folder / "target").wait()
    assert CliRunner().invoke(app, ["publish"]).exit_code == 0


@same_worker
def test_the_documentation_is_one_page_with_types_and_descriptions(folder: Path) -> None:
    """Guards against a page that needs a server, or that knows the models but not the tables that were built."""
    result = CliRunner().invoke(app, ["docs"])
    assert result.exit_code == 0, result.output
    page = (folder / "reports" / "warehouse.html").read_text(encoding="utf-8")
    assert "The study's clean table" in page
    assert '"type": "DOUBLE", "index": 1, "name": "danceability", "comment": ' in page
    assert [path.name for path in (folder / "reports").iterdir()] == ["warehouse.html"]


@pytest.fixture
def warehouse_of_one_document() -> Iterator[duckdb.DuckDBPyConnection]:
    """In memory: a document of the dataset `songs`, landed at noon, then a build in which all went well."""
    with duckdb.connect() as connection:
        rows = landing.rows("tracks", [{"listing_id": 1, "extracted_at": datetime(2026, 1, 1, 12)}])
        landing.land(connection, Dataset("songs", "dump:x"), {"tracks": rows})
        connection.execute(
            """
            create schema intermediate;
            create schema marts;
            create table marts.cleaning_audit as select 'songs' as dataset;
            create table intermediate.last_build as
            select 'build' as command, timestamp '2026-01-01 12:01:00' as began_at, true as is_complete,
                true as is_tested, '' as problems
            """
        )
        yield connection


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("drop table intermediate.last_build", "has built no marts here"),
        ("update intermediate.last_build set is_complete = false, problems = 'it did not end'", "it did not end"),
        ("update intermediate.last_build set is_tested = false, problems = 'unique_x (fail)'", r"unique_x \(fail\)"),
        ("update marts.cleaning_audit set dataset = 'other'", "hold the dataset other, but songs is the active one"),
        ("update raw.tracks set extracted_at = '2026-01-01 12:02:00'", "landed at 2026-01-01 12:02:00"),
    ],
    ids=["never built", "killed", "test failed", "other dataset", "newer documents"],
)
def test_what_is_not_published(warehouse_of_one_document: duckdb.DuckDBPyConnection, change: str, words: str) -> None:
    """Guards against a copy of marts that are half built, failed a test, or are older than the documents."""
    require_tested_build(warehouse_of_one_document)
    warehouse_of_one_document.execute(change)
    with pytest.raises(WarehouseError, match=words):
        require_tested_build(warehouse_of_one_document)
