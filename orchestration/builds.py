"""What dbt leaves behind for others: what failed, and the cleaning rules as SQL.

Belongs here: reading what dbt wrote into its target folder. Not here: the Dagster asset that builds
(assets/warehouse.py), and whether the marts may be published (warehouse/publication.py). Dagster is not imported:
that would take longer than the commands which need this.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract.cleaning import CleaningModels
from warehouse.files import LOCK_CONFLICT, LOCK_WAIT_SECONDS, WarehouseError, locked

ROOT = Path(__file__).parent.parent
"""The project's root: dbt's project and profile lie here."""
RESULTS = "run_results.json"


def what_failed(target: Path) -> str | None:
    """What went wrong in the dbt command that wrote to `target`, in a sentence; None where dbt did not get that far."""
    results = target / RESULTS
    if not results.exists():
        return None
    found = json.loads(results.read_text(encoding="utf-8"))["results"]
    failed = [result for result in found if result["status"] in ("error", "fail", "runtime error")]
    if not failed:
        return None
    named = [
        f"{result['unique_id'].split('.')[2]} ({' '.join((result['message'] or result['status']).split())[:200]})"
        for result in failed[:3]
    ]
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    return (
        f"dbt: {len(failed)} of {len(found)} models and tests failed: {', '.join(named)}{more}. What depends on them "
        f"was not made, and the published copy stays as it is. The rows that a test found: its SQL in {target}, or run "
        "`dbt build` by hand."
    )


def build_error(target: Path, said: str, warehouse: Path) -> WarehouseError:
    """What to tell of a dbt command that failed: where it got no further than opening the warehouse, dbt `said` why."""
    if held := LOCK_CONFLICT.search(said):
        return locked(warehouse, LOCK_WAIT_SECONDS, held.group())
    return WarehouseError(what_failed(target) or said)


def newest_source() -> float:
    """When a file of the dbt project was last changed, in seconds since 1970."""
    sources = [ROOT / "dbt_project.yml", ROOT / "profiles.yml", *(ROOT / "dbt_project").rglob("*")]
    return max(path.stat().st_mtime for path in sources if path.is_file())


def cleaning_models() -> CleaningModels:
    """The cleaning rules as SQL, from the dbt project; compiled, which takes seconds, if it has changed since.

    Raises `WarehouseError` where dbt cannot compile them.
    """
    target = ROOT / "target" / "clean"
    manifest = target / "manifest.json"
    models = None
    if manifest.exists() and manifest.stat().st_mtime > newest_source():
        models = _read_models(manifest)
    if models is None:
        command = [
            str(Path(sys.executable).with_name("dbt")), "--quiet", "compile", "--target", "memory", "--no-introspect",
            "--select", *(f"+{name}" for name in CLEANING),
            "--target-path", str(target), "--log-path", str(target), "--output", "json",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        models = _read_models(manifest) if done.returncode == 0 else None
        if models is None:
            raise WarehouseError(
                f"dbt could not compile the cleaning rules: {done.stdout.strip()} {done.stderr.strip()}"
            )
    return models


CLEANING = ("clean_tracks", "rejected_listings", "cleaning_audit")


def _read_models(manifest: Path) -> CleaningModels | None:
    """The models that a manifest holds, or None where dbt did not compile them."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    wanted = [f"model.song_genres.{name}" for name in CLEANING]
    if not all(nodes[name].get("compiled_code") for name in wanted):
        return None
    statements = dict.fromkeys(statement for name in wanted for statement in _statements(nodes, name))
    return CleaningModels(list(statements), *(nodes[name]["compiled_code"] for name in wanted))


def _statements(nodes: dict[str, Any], name: str) -> Iterator[str]:
    """The statements that make the tables and views a model reads, in the order in which they depend on each other."""
    for parent in nodes[name]["depends_on"]["nodes"]:
        node = nodes.get(parent)
        if node is None:
            continue  # a source
        yield from _statements(nodes, parent)
        if node["config"]["materialized"] != "ephemeral":  # which is part of the SQL of the models that read it
            yield f'create schema if not exists "{node["schema"]}"'
            kind = "table" if node["config"]["materialized"] == "table" else "view"
            yield f"create {kind} {node['relation_name']} as {node['compiled_code']}"
