"""The dbt project as assets: every model with its own lineage, every dbt test an asset check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from extract.progress import Progress
from orchestration.resources import dbt_project, prepare_manifest

prepare_manifest()


class Translator(DagsterDbtTranslator):
    """A dbt model belongs to the group of its layer: staging, intermediate or marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The folder below models/; seeds are read by the intermediate layer and stand there."""
        if dbt_resource_props["resource_type"] == "source":
            return "extract"
        return dbt_resource_props["fqn"][1] if dbt_resource_props["resource_type"] == "model" else "intermediate"


@dbt_assets(
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
    pool="duckdb",
)
def dbt_models(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, progress: dg.ResourceParam[Progress]
) -> Iterator[Any]:
    """Build and test every layer. A test that fails stops what lies below it, publication among it."""
    progress("dbt build", 0, None)
    # Without fetch_row_counts: that opens the database a second time while dbt holds it.
    for done, event in enumerate(dbt.cli(["build"], context=context).stream(), start=1):
        progress("dbt build", done, None)
        yield event
