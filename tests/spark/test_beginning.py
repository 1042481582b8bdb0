"""What dbt says where Spark cannot begin: a sentence, with what to install or run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dbt_common.exceptions import CompilationError

from tests.conftest import ROOT
from tests.extract.test_spark import java
from tests.spark.conftest import Build


def dbt(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Plain dbt, with Spark for its target."""
    own = {"DBT_PROJECT_DIR": str(ROOT), "DBT_PROFILES_DIR": str(ROOT), "DBT_TARGET_PATH": str(cwd / "target")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), *arguments, "--target", "spark"],
        cwd=cwd, env=os.environ | own | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "words"),
    [(None, "There is no Java, which Spark runs on."), ('openjdk version "11.0.2"', "is Java 11, which is too old")],
    ids=["no Java", "Java 11"],
)
def test_without_a_java_that_will_do(version: str | None, words: str, tmp_path: Path) -> None:
    """Guards against pyspark's traceback, which names neither."""
    home = java(tmp_path, version) if version else tmp_path / "nowhere"
    refused = dbt("build", cwd=tmp_path, JAVA_HOME=str(home))
    assert refused.returncode == 2
    assert words in refused.stdout
    assert "Install Java 17 or 21" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr


def test_what_starts_no_spark_needs_no_java(tmp_path: Path) -> None:
    """Guards against a check that stands in the way of an editor or a linter."""
    assert dbt("parse", cwd=tmp_path, JAVA_HOME=str(tmp_path / "nowhere")).returncode == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_without_raw_documents(dbt_on_spark: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against PATH_NOT_FOUND for each of the models."""
    monkeypatch.setenv("RAW_EXPORT_PATH", str(tmp_path / "raw"))
    with pytest.raises(CompilationError, match=f"No raw documents in {tmp_path / 'raw'}: run `song-genres export-raw`"):
        dbt_on_spark("run")
