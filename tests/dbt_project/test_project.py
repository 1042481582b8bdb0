"""The dbt project as people read it: every mart explains itself, every rule and every column is tested."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Dbt
from warehouse.changes import MART_KEYS
from warehouse.features import AUDIO_FEATURES, feature_ranges

UNITS = re.compile(
    r"\b(Share|Count|Flag|Points|Seconds|Minutes|Number|Place|Pitch class|dB|bpm|ms|beats|unit|Unit|HTTP status)\b"
)
"""What tells the unit of a number; a feature's mart names `the feature's unit`."""

Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Node:
    target = tmp_path_factory.mktemp("manifest")
    dbt(target / "warehouse.duckdb", "parse", "--target-path", str(target))
    found: Node = json.loads((target / "manifest.json").read_text())
    return found


@pytest.fixture(scope="module")
def marts(manifest: Node) -> list[Node]:
    found = [
        node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    ]
    assert {mart["name"] for mart in found} == set(MART_KEYS)
    return found


def test_every_mart_has_a_contract_a_grain_and_a_unit_test(manifest: Node, marts: list[Node]) -> None:
    """A mart added in a hurry: columns that can change unseen, or a table of which nobody knows what a row is."""
    unit_tested = {test["model"] for test in manifest["unit_tests"].values()}
    assert [mart["name"] for mart in marts if not mart["contract"]["enforced"]] == []
    assert [mart["name"] for mart in marts if "One row per" not in mart["description"]] == []
    assert [mart["name"] for mart in marts if mart["name"] not in unit_tested] == []
    assert [mart["name"] for mart in marts if not mart["config"]["persist_docs"]["columns"]] == []


def test_every_column_of_a_mart_is_described_with_its_unit_and_tested(manifest: Node, marts: list[Node]) -> None:
    """A column that nobody can interpret, or of which nobody would see that it went wrong."""
    tested: set[tuple[str, str]] = set()
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            columns = [node["column_name"], *node["test_metadata"]["kwargs"].get("columns", [])]
            tested |= {(node["attached_node"], column) for column in columns if column}
    undescribed, untested, without_unit = [], [], []
    for mart in marts:
        for column in mart["columns"].values():
            name = f"{mart['name']}.{column['name']}"
            if len(column["description"]) < 10:
                undescribed.append(name)
            if (mart["unique_id"], column["name"]) not in tested:
                untested.append(name)
            if column["data_type"] in ("integer", "bigint", "double") and not UNITS.search(column["description"]):
                without_unit.append(name)
    assert (undescribed, untested, without_unit) == ([], [], [])


@pytest.fixture(scope="module")
def variables() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    return found


def test_every_cleaning_rule_has_a_model_and_a_unit_test_of_its_name(manifest: Node, variables: dict[str, Any]) -> None:
    """A rule that is only in the list, a model that no list applies, or a rule that no example explains."""
    rules = set(variables["cleaning_rules"])
    prefix = "model.song_genres.int_rejected_"
    unit_tests = {test["name"] for test in manifest["unit_tests"].values()}
    assert len(rules) == 7
    assert {name.removeprefix(prefix) for name in manifest["nodes"] if name.startswith(prefix)} == rules
    assert rules <= unit_tests


def test_every_cleaning_rule_judges_what_the_list_says(manifest: Node, variables: dict[str, Any]) -> None:
    """A rule against repeats that keeps a bad listing, or one that waits for the verdict of another."""
    for rule, about in variables["cleaning_rules"].items():
        judged = "valid" if about["is_repeat"] else "joined"
        node = manifest["nodes"][f"model.song_genres.int_rejected_{rule}"]
        assert node["depends_on"]["nodes"] == [f"model.song_genres.int_listings_{judged}"], rule


def test_the_one_list_of_features(manifest: Node, variables: dict[str, Any]) -> None:
    """A description that names another range than the one enforced, or a feature without a column of its type."""
    listed = variables["audio_features"] | {"popularity": variables["popularity"]}
    assert list(variables["audio_features"]) == AUDIO_FEATURES
    assert feature_ranges()["loudness"] == (-60.0, 10.0)
    columns = manifest["nodes"]["model.song_genres.clean_tracks"]["columns"]
    assert list(columns)[:13] == AUDIO_FEATURES
    for name, feature in listed.items():
        assert f"{feature['minimum']} to {feature['maximum']}" in feature["description"], name
        assert feature["unit"].lower() in feature["description"].lower(), name
        assert feature["minimum"] <= feature["bins_from"] < feature["bins_to"] <= feature["maximum"], name
        assert (columns[name]["data_type"], columns[name]["description"]) == (feature["type"], feature["description"])


def test_the_model_and_the_report_are_exposures_of_the_marts(manifest: Node) -> None:
    """A lineage that ends at the marts, so that nobody sees who would notice a change."""
    exposures = {exposure["name"]: exposure for exposure in manifest["exposures"].values()}
    assert {"genre_model", "report"} <= set(exposures)
    assert "model.song_genres.clean_tracks" in exposures["genre_model"]["depends_on"]["nodes"]


def test_documents_know_how_old_they_may_be(manifest: Node) -> None:
    """A source that went stale without a word: `dbt source freshness` needs the field and the limit."""
    sources = {source["name"]: source for source in manifest["sources"].values()}
    for name in ("datasets", "tracks", "audio_features"):
        assert sources[name]["loaded_at_field"]
        assert sources[name]["freshness"]["warn_after"]["count"]
