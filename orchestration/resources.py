"""The resources of the assets: the database files, dbt, and a way to report progress."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource, DbtProject

from orchestration.builds import ROOT, newest_source
from warehouse import files
from warehouse.publication import Publication, publish
from warehouse.raw import raw_tables

dbt_project = DbtProject(project_dir=ROOT, profiles_dir=ROOT)
DBT = Path(sys.executable).with_name("dbt")


class Warehouse(dg.ConfigurableResource):
    """The warehouse that runs write, and the published copy that people read."""

    path: str
    published_path: str

    @property
    def file(self) -> Path:
        """The warehouse's path."""
        return Path(self.path)

    def connect(self, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """A short-lived connection to the warehouse; use it in a `with` block."""
        return files.connect(self.file, read_only=read_only)

    def connect_published(self) -> duckdb.DuckDBPyConnection:
        """A read-only connection to the published copy; use it in a `with` block."""
        return files.connect(Path(self.published_path), read_only=True)

    def publish(self) -> Publication:
        """Replace the published copy by the warehouse as it is now, and say what changed.

        Raises `WarehouseError` where the marts were not all built and tested.
        """
        return publish(self.file, Path(self.published_path))


def warehouse_resource() -> Warehouse:
    """The files that WAREHOUSE_PATH and PUBLISHED_PATH name, read when the code is loaded, as dbt reads them."""
    return Warehouse(path=str(files.warehouse_path().absolute()), published_path=str(files.published_path().absolute()))


def point_dbt_at(file: Path) -> None:
    """Have dbt, which runs in the project's root, open `file`.

    In the root nothing is changed: dbt would take another spelling of the path for another profile, and parse the whole
    project again.
    """
    if Path.cwd() != ROOT:
        os.environ["WAREHOUSE_PATH"] = str(file.absolute())


def dbt_resource() -> DbtCliResource:
    """The command line of dbt, from this environment even if that is not active, run in the project's root."""
    return DbtCliResource(project_dir=str(ROOT), profiles_dir=str(ROOT), dbt_executable=str(DBT))


def dbt_target() -> Path:
    """Where dbt writes for us, in the working directory: one folder, so that what is parsed once stays parsed."""
    return Path.cwd() / "target" / "run"


def write_documentation(page: Path) -> Path:
    """Write dbt's documentation of every table, column and test to `page`: one file that asks the network for nothing.

    dbt opens the warehouse (WAREHOUSE_PATH) for it, to read the columns' types. Raises `WarehouseError` where there is
    none, or dbt fails.
    """
    file = files.warehouse_path()
    if not file.exists():
        raise files.WarehouseMissing(f"There is no database at {file} to document. Make one with `make run`.")
    with files.connect(file, read_only=True) as connection:
        if not raw_tables(connection):
            raise files.WarehouseError(f"Nothing was landed in {file.absolute()} yet. Land something: make run.")
    point_dbt_at(file)
    prepare_manifest()
    target = dbt_target()
    target.mkdir(parents=True, exist_ok=True)
    # With a manifest at hand dbt need not compile the models, which takes as long as all the rest.
    shutil.copyfile(dbt_project.manifest_path, target / "manifest.json")
    problem = _problem_of_dbt("docs", "generate", "--static", "--no-compile", target=target)
    if problem:
        raise files.WarehouseError(f"dbt could not document {file.absolute()}: {problem}. See {target / 'dbt.log'}.")
    with files.whole_or_not_there(page) as unfinished:
        shutil.copyfile(target / "static_index.html", unfinished)
    return page


def prepare_manifest() -> None:
    """Parse the dbt project where its manifest is missing or older than the files it was made from.

    A fresh clone has none, and `dagster dev` should open there without another command. Raises `WarehouseError` where
    dbt cannot parse it.
    """
    manifest = dbt_project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < newest_source():
        manifest.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may find it missing at once, such as those of `dagster dev`: each puts a whole one there.
        with tempfile.TemporaryDirectory(dir=manifest.parent, prefix="parse-") as folder:
            problem = _problem_of_dbt("parse", target=Path(folder))
            if problem:
                raise files.WarehouseError(f"dbt could not parse the project: {problem}. Try `dbt parse`.")
            for name in ("partial_parse.msgpack", "manifest.json"):
                (Path(folder) / name).replace(manifest.parent / name)


def _problem_of_dbt(*command: str, target: Path) -> str | None:
    """Run a dbt command that makes no asset, in the project's root; returns the last line of its errors, if it failed.

    Without dagster-dbt, whose command line asks dbt for its version and makes an adapter first, which takes 5 s.
    """
    places = {"DBT_PROJECT_DIR": ROOT, "DBT_PROFILES_DIR": ROOT, "DBT_TARGET_PATH": target, "DBT_LOG_PATH": target}
    environment = os.environ | {name: str(place) for name, place in places.items()}
    done = subprocess.run(
        [str(DBT), "--quiet", "--no-use-colors", *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return None
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return said[-1] if said else f"exit code {done.returncode}"
