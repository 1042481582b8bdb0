"""One Spark session, in this process, for all tests of this folder: dbt is called as a library.

Run by `make test-spark`; a plain `make test`, which does without Java, leaves it out (norecursedirs in pyproject.toml).
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.conftest import ROOT, Dbt
from warehouse import files
from warehouse.files import quoted
from warehouse.raw_export import export_raw
from warehouse.spark import SparkUnavailable, require_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parent

Build = Callable[..., list[str]]


def pytest_collection() -> None:
    """Say in a sentence what is missing, rather than in a traceback of each test."""
    try:
        require_spark()
    except SparkUnavailable as error:
        pytest.exit(str(error), returncode=1)


RAW = "Bob's raw documents"
"""The folder that Spark reads: of a name that must be quoted."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where everything that is written lies; the environment points dbt, Python and Spark at it."""
    base = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("SPARK_CONF_DIR", str(HERE))
        patch.setenv("SPARK_WAREHOUSE_PATH", str(base / "spark"))
        patch.setenv("SPARK_SHUFFLE_PARTITIONS", "3")
        patch.setenv("RAW_EXPORT_PATH", str(base / RAW))
        patch.setenv("WAREHOUSE_PATH", str(base / "warehouse.duckdb"))
        patch.setenv("DBT_TARGET_PATH", str(base / "target"))
        patch.setenv("DBT_LOG_PATH", str(base / "logs"))
        yield base


@pytest.fixture(scope="session")
def spark(folder: Path) -> Iterator["SparkSession"]:
    """The session that songs are scored on: dbt's own, where it is there already."""
    from ml.spark import session

    assert folder.exists()
    found = session()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def dbt_on_spark(folder: Path) -> Build:
    """Call as `dbt_on_spark("build")`: what failed, with messages; raises where dbt cannot begin."""
    from dbt.cli.main import dbtRunner

    assert folder.exists()

    def run(*arguments: str) -> list[str]:
        outcome = dbtRunner().invoke([*arguments, "--target", "spark", "--quiet"])
        if outcome.exception:
            raise outcome.exception
        bad = ("error", "fail", "skipped", "runtime error")
        return [f"{one.node.name}: {one.message}" for one in outcome.result if one.status in bad]

    return run


@pytest.fixture(scope="session")
def build_on_both(folder: Path, dbt: Dbt, dbt_on_spark: Build) -> Callable[..., "Engines"]:
    """Call with the warehouse of a dataset: builds it on DuckDB and on Spark, and gives both.

    `command`: dbt's, on Spark. `shuffle`: the rows of the raw Parquet are put into another order and other files first.
    """

    def build(path: Path, command: str = "run", *, shuffle: bool = False) -> Engines:
        dbt(path, "run")
        with files.connect(path, read_only=True) as connection:
            export_raw(connection, folder / RAW)
        if shuffle:
            repartition(folder / RAW)
        assert dbt_on_spark(command) == []
        return Engines(path, folder / "spark")

    return build


def repartition(raw: Path, files: int = 7) -> None:
    """Put the rows of each raw table into `files` files, in an order that means nothing."""
    draw = random.Random(538)
    with duckdb.connect() as connection:
        connection.execute(f"select setseed({draw.random()})").fetchall()
        for table in raw.iterdir():
            parquet = quoted(f"{table}/**/*.parquet")
            rows = connection.sql(
                f"from read_parquet({parquet}, hive_partitioning = false) order by random()"
            ).to_arrow_table()
            for old in table.rglob("*.parquet"):
                old.unlink()
            cuts = [0, *sorted(draw.randint(0, len(rows)) for _ in range(files - 1)), len(rows)]
            for number, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):
                part = rows.slice(first, last - first)
                connection.register("part", part)
                connection.execute(f"copy part to {quoted(f'{table}/{number}.parquet')}")


class Engines:
    """The marts of one dataset as both engines made them; `marts()` names them, `rows(mart)` gives both sides.

    `on_duckdb`: the warehouse's file.
    """

    def __init__(self, warehouse_file: Path, spark_folder: Path) -> None:
        self.on_duckdb = warehouse_file
        # Read now: the next build on Spark puts its marts in the same place.
        self._rows = {}
        with files.connect(warehouse_file, read_only=True) as connection:
            marts = "select table_name from duckdb_tables() where schema_name = 'marts' order by all"
            for (mart,) in connection.execute(marts).fetchall():
                described = connection.execute(f"describe marts.{mart}").fetchall()
                exact = [name for name, kind, *_ in described if kind != "DOUBLE"]
                doubles = [name for name, kind, *_ in described if kind == "DOUBLE"]
                # The key of a mart is among the exact columns, so that both sides come in one order.
                wanted = f"select {', '.join([*exact, *doubles])} from {{}} order by {', '.join(exact)}"
                parquet = f"read_parquet('{spark_folder}/marts.db/{mart}/*.parquet')"
                self._rows[mart] = (
                    exact,
                    connection.execute(wanted.format(f"marts.{mart}")).fetchall(),
                    connection.execute(wanted.format(parquet)).fetchall(),
                )

    def marts(self) -> list[str]:
        """The names of the marts."""
        return list(self._rows)

    def rows(self, mart: str) -> tuple[int, list[tuple[object, ...]], list[tuple[object, ...]]]:
        """How many columns are to be equal exactly, the rest being doubles; DuckDB's rows; Spark's rows."""
        exact, of_duckdb, of_spark = self._rows[mart]
        return len(exact), of_duckdb, of_spark
