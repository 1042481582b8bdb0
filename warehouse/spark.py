"""Whether Spark can start on this machine, and what to do where it cannot.

Belongs here: looking for pyspark and Java before Spark does, whose own messages name neither. Not here: Spark sessions,
which dbt (profiles.yml) and those who score with Spark make.
"""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

OLDEST_JAVA = 17
ELSEWHERE = {"SPARK_REMOTE", "PYSPARK_GATEWAY_PORT"}
"""Environment variables that name a Spark which was started elsewhere: it needs no Java here."""

INSTALL_JAVA = "Install Java 17 or 21 (Debian: apt-get install openjdk-17-jre-headless), or name one with JAVA_HOME."


class SparkUnavailable(RuntimeError):
    """Spark cannot start here; the message says why and what to install."""


def require_spark() -> None:
    """Raise `SparkUnavailable` unless pyspark is installed and, for a Spark of this machine, finds Java to run on."""
    if find_spec("pyspark") is None:
        raise SparkUnavailable("pyspark is not installed: run `make install-spark`, or `pip install -e .[spark]`.")
    if ELSEWHERE & os.environ.keys():
        return
    program = _java()
    if program is None:
        raise SparkUnavailable(f"There is no Java, which Spark runs on. {INSTALL_JAVA}")
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(1\.)?(\d+)', told.stderr + told.stdout)
    if not found:
        raise SparkUnavailable(f"{program} does not say its version, so Spark cannot run on it. {INSTALL_JAVA}")
    if int(found[2]) < OLDEST_JAVA:
        raise SparkUnavailable(f"{program} is Java {found[2]}, which is too old for Spark. {INSTALL_JAVA}")


def _java() -> str | None:
    """The Java that Spark's own start script would take."""
    if home := os.environ.get("JAVA_HOME"):
        return shutil.which("java", path=Path(home) / "bin")
    return shutil.which("java")
