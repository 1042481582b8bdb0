"""What starts runs: jobs, schedule, drop folder and automation, each evaluated as Dagster's daemon does."""

import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from warehouse import files
from warehouse.progress import ignore

# dagster-dbt uses what dagster is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

ALL = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()


@pytest.fixture
def definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    """The definitions, in an empty folder as working directory."""
    from orchestration.definitions import definitions

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAREHOUSE_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("PUBLISHED_PATH", str(tmp_path / "published.duckdb"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "AssetExecutionContext")
        return definitions(ignore)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def groups_of(definitions: dg.Definitions, job: str) -> set[str]:
    graph = definitions.resolve_asset_graph()
    keys = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
    return {graph.get(key).group_name for key in keys}


def test_the_jobs_share_out_all_layers(definitions: dg.Definitions) -> None:
    """Guards against an asset that no job makes, and against a job that makes more than its name says."""
    parts = {
        "extract": {"extract"},
        "transform": {"staging", "intermediate", "marts"},
        "train": {"ml"},
        "report": {"report"},
    }
    for job, groups in parts.items():
        assert groups_of(definitions, job) == groups
    assert groups_of(definitions, "everything") == set().union(*parts.values())
    all_keys = definitions.resolve_asset_graph().executable_asset_keys
    assert set(definitions.resolve_job_def("everything").asset_layer.executable_asset_keys) == set(all_keys)


def test_every_setting_of_the_launchpad_has_a_default_and_a_description() -> None:
    """Guards against a run that cannot be launched without reading the code."""
    from orchestration.assets.extract import ExtractConfig
    from orchestration.assets.model import TrainConfig

    for config in (ExtractConfig, TrainConfig):
        for name, field in config.model_fields.items():
            assert field.description, name
            assert not field.is_required(), name


def test_the_weekly_refresh_asks_for_popularity_and_is_off(definitions: dg.Definitions) -> None:
    """Guards against a schedule that crawls by itself on a fresh machine, and one whose run would be refused."""
    schedule = definitions.resolve_schedule_def("weekly_refresh")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 5, 4, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.run_config["ops"]["raw_documents"]["config"]["refresh"] == "popularity"
    assert dg.validate_run_config(definitions.resolve_job_def("everything"), request.run_config)


class Inbox:
    """The drop folder in the working directory, and its sensor's ticks; runs that it asks for are run at once."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions, self.instance = definitions, instance
        self.cursor: str | None = None
        self.keys: list[str] = []
        self.folder = Path("data/inbox")
        self.folder.mkdir(parents=True)

    def tick(self) -> int:
        """One evaluation; returns how many runs it asked for. As the daemon does, asks for no run_key twice."""
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            found = self.definitions.resolve_sensor_def("inbox").evaluate_tick(context)
        self.cursor = found.cursor
        requests = [request for request in found.run_requests or [] if request.run_key not in self.keys]
        for request in requests:
            self.keys.append(str(request.run_key))
            self.definitions.resolve_job_def("extract").execute_in_process(
                run_config=request.run_config, tags=request.tags, instance=self.instance, raise_on_error=False
            )
        return len(requests)

    @property
    def files(self) -> set[str]:
        """All files in the folder and below."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def inbox(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Inbox:
    return Inbox(definitions, instance)


def landed() -> list[tuple[str, int]]:
    with files.connect(files.warehouse_path()) as connection:
        return connection.execute("select dataset, count(*) from raw.tracks group by all order by 1").fetchall()


def test_a_dump_in_the_inbox_is_imported_once_and_put_away(inbox: Inbox, songs_csv: Path) -> None:
    """Guards against a dump that is imported half-written, twice, or for ever."""
    assert inbox.tick() == 0
    (inbox.folder / "mine.csv").write_bytes(songs_csv.read_bytes()[:1000])
    assert inbox.tick() == 0
    (inbox.folder / "mine.csv").write_bytes(songs_csv.read_bytes())  # it has grown
    assert inbox.tick() == 0
    assert inbox.tick() == 1
    assert landed() == [("mine", 364)]
    assert inbox.tick() == 0
    assert inbox.files == {"done/mine.csv"}
    assert inbox.tick() == 0
    (inbox.folder / "mine.csv").write_bytes(songs_csv.read_bytes())  # once more, by mistake
    assert [inbox.tick() for _ in range(3)] == [0, 1, 0]
    assert landed() == [("mine", 364)]
    assert len(inbox.files) == 2


def test_a_dump_of_an_odd_name_is_the_one_that_is_imported(inbox: Inbox, songs_csv: Path) -> None:
    """Guards against the rows of the dump beside it, and against names that Dagster's tags or moves change."""
    header, *rows = songs_csv.read_text(encoding="utf-8").splitlines(keepends=True)
    names = ["songs[1]", "songs1", "what?", 'Bob\'s "50%" & $HOME', "~", "été 夜"]
    for count, name in enumerate(names, start=1):
        (inbox.folder / f"{name}.csv").write_text(header + "".join(rows[:count]), encoding="utf-8")
    assert [inbox.tick() for _ in range(3)] == [0, 6, 0]
    assert landed() == sorted((name, count) for count, name in enumerate(names, start=1))
    assert inbox.files == {f"done/{name}.csv" for name in names}


def test_a_dump_that_cannot_be_read_lies_beside_its_reason_and_may_come_back_mended(
    inbox: Inbox, songs_csv: Path
) -> None:
    """Guards against a bad file that blocks the folder or vanishes, and against one that is never tried again."""
    (inbox.folder / "bad.csv").write_text("a,b\n1,2\n")
    (inbox.folder / "good.csv").write_bytes(songs_csv.read_bytes())
    assert [inbox.tick() for _ in range(3)] == [0, 2, 0]
    assert inbox.files == {"failed/bad.csv", "failed/bad.csv.reason.txt", "done/good.csv"}
    reason = (inbox.folder / "failed" / "bad.csv.reason.txt").read_text()
    assert "bad.csv" in reason
    assert "--map" in reason
    assert "Traceback" not in reason
    (inbox.folder / "failed" / "bad.csv").rename(inbox.folder / "bad.csv")
    assert [inbox.tick() for _ in range(3)] == [0, 1, 0], "moved back as it was, it is tried again"
    os.truncate(inbox.folder / "failed" / "bad.csv.reason.txt", 0)
    (inbox.folder / "bad.csv").write_bytes(songs_csv.read_bytes())
    assert [inbox.tick() for _ in range(3)] == [0, 1, 0]
    assert "done/bad.csv" in inbox.files


def test_what_is_below_landed_documents_follows_by_itself_where_that_is_switched_on(
    inbox: Inbox, definitions: dg.Definitions, instance: dg.DagsterInstance, songs_csv: Path
) -> None:
    """Guards against automation that stops half-way down, asks for what is up to date, or is on without being asked."""
    assert definitions.resolve_sensor_def("automation").default_status == dg.DefaultSensorStatus.STOPPED
    before = dg.evaluate_automation_conditions(definitions, instance, ALL)
    assert before.total_requested == 0
    (inbox.folder / "mine.csv").write_bytes(songs_csv.read_bytes())
    assert [inbox.tick() for _ in range(2)] == [0, 1]
    after = dg.evaluate_automation_conditions(definitions, instance, ALL, cursor=before.cursor)
    graph = definitions.resolve_asset_graph()
    raw = {key for key in graph.executable_asset_keys if key.path[0] == "raw"}
    asked = {key for key in graph.executable_asset_keys if after.get_num_requested(key)}
    assert asked == graph.executable_asset_keys - raw
    tests_of_raw = {key for key in graph.asset_check_keys if key.asset_key in raw and key.name != "documents_parse"}
    assert tests_of_raw <= {result.key for result in after.results if result.true_subset.size}
    again = dg.evaluate_automation_conditions(definitions, instance, ALL, cursor=after.cursor)
    assert again.total_requested == 0
