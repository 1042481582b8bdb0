"""What Dagster loads: the graph, its groups, its checks and its freshness policies."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from orchestration import resources
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def graph():  # type: ignore[no-untyped-def]
    from orchestration.definitions import defs

    return defs.resolve_asset_graph()


def test_the_graph_joins_from_raw_documents_to_the_report(graph) -> None:  # type: ignore[no-untyped-def]
    """Guards against a lineage torn in two: a renamed source or mart would leave the report without ancestors."""
    page = dg.AssetKey(["report", "page"])
    ancestors, wave = set(), {page}
    while wave:
        wave = {parent for key in wave for parent in graph.get(key).parent_keys} - ancestors
        ancestors |= wave
    assert dg.AssetKey(["raw", "tracks"]) in ancestors
    assert dg.AssetKey(["marts", "clean_tracks"]) in ancestors
    # Not the predictions: where no model may be shown there are none, and the page is made all the same.
    assert dg.AssetKey(["ml", "verdicts"]) in ancestors


def test_assets_stand_in_the_groups_of_their_layers(graph) -> None:  # type: ignore[no-untyped-def]
    """Guards against assets in Dagster's `default` group, where nobody looks for them."""
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {"extract", "staging", "intermediate", "marts", "ml", "report"}


def test_dbt_tests_are_asset_checks(graph) -> None:  # type: ignore[no-untyped-def]
    """Guards against dbt tests that nobody sees in the interface."""
    checked = {key.asset_key for key in graph.asset_check_keys}
    assert dg.AssetKey(["marts", "clean_tracks"]) in checked
    assert dg.AssetKey(["raw", "tracks"]) in checked


def test_loading_the_definitions_loads_nothing_that_trains_or_draws() -> None:
    """Guards against seconds that the server, the daemon and each run's process would pay anew."""
    heavy = ("sklearn", "scipy", "lightgbm", "pandas", "plotly", "pyarrow", "starlette", "extract.sandbox.server")
    code = f"import sys, orchestration.definitions; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_raw_documents_and_the_published_copy_must_be_fresh(graph) -> None:  # type: ignore[no-untyped-def]
    """Guards against a refresh that fails for weeks while everything in the interface looks well."""
    policies = {key: graph.get(key).freshness_policy for key in graph.get_all_asset_keys()}
    fresh = {key.to_user_string() for key, policy in policies.items() if policy}
    assert fresh == {
        "raw/artists", "raw/audio_features", "raw/datasets", "raw/genre_tree", "raw/plays", "raw/popularity",
        "raw/requests", "raw/tracks", "report/published_database",
    }  # fmt: skip
    policy = policies[dg.AssetKey(["report", "published_database"])]
    assert policy.warn_window.to_timedelta() == timedelta(days=9)
    assert policy.fail_window.to_timedelta() == timedelta(days=16)


def test_the_manifest_of_a_fresh_clone_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against two processes that parse the project at once into one file, which then is none."""
    manifest = tmp_path / "target" / "manifest.json"

    def parse(*_: str, target: Path) -> None:
        assert target != manifest.parent
        for name in ("manifest.json", "partial_parse.msgpack"):
            (target / name).write_text("{}")

    monkeypatch.setattr(resources, "dbt_project", SimpleNamespace(manifest_path=manifest))
    monkeypatch.setattr(resources, "_problem_of_dbt", parse)
    resources.prepare_manifest()
    assert manifest.read_text() == "{}"
    assert {path.name for path in manifest.parent.iterdir()} == {"manifest.json", "partial_parse.msgpack"}
