"""What the assets are handed: the database files, dbt, and a way to say how far they are."""

import sys
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource, DbtProject

from extract import warehouse

ROOT = Path(__file__).parent.parent
"""The project's root: dbt's project and profile lie here."""

dbt_project = DbtProject(project_dir=ROOT, profiles_dir=ROOT)


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
        return warehouse.connect(self.file, read_only=read_only)

    def connect_published(self) -> duckdb.DuckDBPyConnection:
        """A read-only connection to the published copy; use it in a `with` block."""
        return warehouse.connect(Path(self.published_path), read_only=True)

    def publish(self) -> int:
        """Replace the published copy by the warehouse as it is now; returns its size in bytes."""
        return warehouse.publish(self.file, Path(self.published_path))


def warehouse_resource() -> Warehouse:
    """The files that WAREHOUSE_PATH and PUBLISHED_PATH name, read when the code is loaded, as dbt reads them."""
    return Warehouse(
        path=str(warehouse.warehouse_path().absolute()), published_path=str(warehouse.published_path().absolute())
    )


def dbt_resource() -> DbtCliResource:
    """The command line of dbt: that of this environment, whether or not it is active, run in the project's root."""
    return DbtCliResource(
        project_dir=dbt_project, profiles_dir=str(ROOT), dbt_executable=str(Path(sys.executable).with_name("dbt"))
    )


def prepare_manifest() -> None:
    """Parse the dbt project where its manifest is missing or older than the files it was made from.

    A fresh clone has none, and `dagster dev` should open there without another command.
    """
    manifest = dbt_project.manifest_path
    sources = [ROOT / "dbt_project.yml", ROOT / "profiles.yml", *(ROOT / "dbt_project").rglob("*")]
    newest = max(path.stat().st_mtime for path in sources if path.is_file())
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        dbt_resource().cli(["parse", "--quiet"], target_path=ROOT / "target").wait()
