"""Whether Spark can start here, told in a sentence."""

import importlib.util
from pathlib import Path

import pytest

from warehouse import spark
from warehouse.spark import SparkUnavailable, require_spark


@pytest.fixture(autouse=True)
def pyspark_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda _: importlib.util.find_spec("json"))


def java(folder: Path, words: str) -> Path:
    """A JAVA_HOME whose java says `words` of itself."""
    file = folder / "bin" / "java"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
    file.chmod(0o755)
    return folder


@pytest.mark.parametrize("words", ['openjdk version "17.0.15" 2025-04-15', 'java version "21" 2023-09-19 LTS'])
def test_java_17_and_21_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Guards against refusing what Spark runs on."""
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, words)))
    require_spark()


@pytest.mark.parametrize(
    ("words", "version"),
    [('java version "1.8.0_402"', "Java 8"), ('openjdk version "11.0.2" 2019-01-15', "Java 11")],
)  # fmt: skip
def test_an_older_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, version: str) -> None:
    """Guards against UnsupportedClassVersionError, which names no version that people know."""
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, words)))
    with pytest.raises(SparkUnavailable, match=rf"{version}, which is too old .* openjdk-17-jre-headless"):
        require_spark()


@pytest.mark.parametrize("home", [None, "/nowhere"])
def test_without_java_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str | None
) -> None:
    """Guards against Spark's `Java gateway process exited`; JAVA_HOME counts before the path, as for Spark."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", home)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SparkUnavailable, match=r"no Java.*openjdk-17-jre-headless"):
        require_spark()


def test_something_else_called_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a crash on a java that gives no version."""
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, "hello")))
    with pytest.raises(SparkUnavailable, match="does not say its version"):
        require_spark()


def test_without_pyspark_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against ModuleNotFoundError, which does not say that it is an extra."""
    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(SparkUnavailable, match="make install-spark"):
        require_spark()
