"""Running dbt as a user does, in a process of its own, on a warehouse in a temporary folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Dbt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Call as `dbt(warehouse, "build", ...)`: runs it in the project's root; fails the test unless `succeeds=False`."""
    target = tmp_path_factory.mktemp("dbt_target")

    def run(warehouse: Path, *arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "WAREHOUSE_PATH": str(warehouse),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target / "logs"),
            "DBT_USE_COLORS": "false",
        }
        result = subprocess.run(
            [Path(sys.executable).with_name("dbt"), *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode == 0) == succeeds, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def failed_nodes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], set[str]]:
    """Call it after `dbt`: the names of the nodes that failed in the last run."""

    def names() -> set[str]:
        results = max(tmp_path_factory.getbasetemp().glob("dbt_target*/run_results.json"), key=os.path.getmtime)
        found = json.loads(results.read_text())["results"]
        return {result["unique_id"].split(".")[2] for result in found if result["status"] in ("fail", "error")}

    return names
