"""What dbt says where Spark cannot begin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dbt_common.exceptions import CompilationError

from tests.conftest import ROOT
from tests.spark.conftest import Build
from tests.warehouse.test_spark import java
from warehouse import files
from warehouse.raw import Dataset, land, rows


@pytest.mark.parametrize(
    ("version", "words"),
    [(None, "There is no Java, which Spark runs on."), ('openjdk version "11.0.2"', "is Java 11, which is too old")],
    ids=["no Java", "Java 11"],
)
def test_the_export_for_spark_says_that_java_is_missing(version: str | None, words: str, tmp_path: Path) -> None:
    """Guards against pyspark's traceback as the first word about Java; the files are written all the same."""
    with files.connect(tmp_path / "warehouse.duckdb") as connection:
        land(connection, Dataset("tiny", "sandbox"), {"tracks": rows("tracks", [{"listing_id": 1, "payload": "{}"}])})
    own = {
        "WAREHOUSE_PATH": str(tmp_path / "warehouse.duckdb"),
        "RAW_EXPORT_PATH": str(tmp_path / "raw"),
        "JAVA_HOME": str(java(tmp_path, version) if version else tmp_path / "nowhere"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "export-raw"],
        cwd=ROOT, env=os.environ | own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert words in done.stderr
    assert "Install Java 17 or 21" in done.stderr
    assert (tmp_path / "raw" / "tracks").is_dir()


def test_what_dbt_says_without_java_is_explained(tmp_path: Path) -> None:
    """Guards against an error that our page does not explain: dbt connects before any macro of ours runs."""
    own = {
        "DBT_PROJECT_DIR": str(ROOT),
        "DBT_PROFILES_DIR": str(ROOT),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "JAVA_HOME": str(tmp_path / "nowhere"),
    }
    refused = subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "build", "--target", "spark"],
        cwd=tmp_path, env=os.environ | own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "JAVA_GATEWAY_EXITED" in refused.stdout
    assert "JAVA_GATEWAY_EXITED" in (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_without_raw_documents(dbt_on_spark: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against PATH_NOT_FOUND for each of the models."""
    monkeypatch.setenv("RAW_EXPORT_PATH", str(tmp_path / "raw"))
    with pytest.raises(CompilationError, match=f"No raw documents in {tmp_path / 'raw'}: run `song-genres export-raw`"):
        dbt_on_spark("run")
