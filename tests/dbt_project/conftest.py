"""What dbt says of a run that did not go well."""

import json
import os
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def failed_nodes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], set[str]]:
    """Call it after `dbt`: the names of the nodes that failed in the last run."""

    def names() -> set[str]:
        results = max(tmp_path_factory.getbasetemp().glob("dbt_target*/run_results.json"), key=os.path.getmtime)
        found = json.loads(results.read_text())["results"]
        return {result["unique_id"].split(".")[2] for result in found if result["status"] in ("fail", "error")}

    return names
