"""The dbt project as assets: every model with its own lineage, every dbt test an asset check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from orchestration.builds import RESULTS, build_error
from orchestration.failures import told_in_a_sentence
from orchestration.metadata import table_metadata
from orchestration.resources import Warehouse, dbt_project, dbt_target, prepare_manifest
from warehouse.progress import Progress

prepare_manifest()


class Translator(DagsterDbtTranslator):
    """A dbt model belongs to the group of its layer: staging, intermediate or marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The folder below models/."""
        return "extract" if dbt_resource_props["resource_type"] == "source" else dbt_resource_props["fqn"][1]

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition | None:  # noqa: ARG002
        """Built again when its inputs were."""
        return dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())

    def get_asset_check_spec(self, *args: Any, **kwargs: Any) -> dg.AssetCheckSpec | None:
        """A test of raw documents is run when they were landed: without it no build counts as tested."""
        spec = super().get_asset_check_spec(*args, **kwargs)
        is_raw = spec is not None and spec.asset_key.path[0] == "raw"
        return (
            spec._replace(automation_condition=dg.AutomationCondition.any_deps_updated()) if spec and is_raw else spec
        )


@dbt_assets(
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
)
def dbt_models(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[Any]:
    """Build and test every layer. A test that fails stops what lies below it, publication among it."""
    progress("dbt build", 0, None)
    # Unit tests try the code on rows of their own, whatever was landed: for `dbt build` by hand and `make test`.
    (dbt_target() / RESULTS).unlink(missing_ok=True)  # of an earlier build, whose failures are none of this one's
    build = dbt.cli(["build", "--exclude-resource-type", "unit_test"], context=context, target_path=dbt_target())
    events, failure = [], None
    try:
        for done, event in enumerate(build.stream(), start=1):
            progress("dbt build", done, None)
            events.append(event)
    except DagsterDbtCliRuntimeError as error:
        failure = error
    # Only now, although models then turn green late: while dbt holds the database, nobody else can read it.
    if events:
        with warehouse.connect(read_only=True) as connection:
            tables = {
                dg.AssetKey(found).to_python_identifier(): found
                for found in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            }
            for event in events:
                if isinstance(event, dg.Output) and event.output_name in tables:
                    shown = table_metadata(connection, *tables[event.output_name])
                    context.add_output_metadata(shown, event.output_name)
                yield event
    if failure:
        with told_in_a_sentence():
            raise build_error(build.target_path, str(failure.description), warehouse.file) from failure
