"""The raw documents as assets: landed by `extract/`, described by dbt's sources."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from extract.progress import Progress
from extract.sources import extract
from orchestration.resources import Warehouse

TABLES = ("datasets", "artists", "tracks", "audio_features", "popularity", "requests")


class ExtractConfig(dg.Config):
    """Where the documents come from."""

    source: str = Field(
        default="auto",
        description="auto: the active dataset (what of it is missing), or the sandbox in an empty warehouse. "
        "Else: sandbox, spotify, the path of a dump, or the name of a published dump (tidytuesday).",
    )


@dg.multi_asset(
    specs=[dg.AssetSpec(["raw", table], group_name="extract", kinds={"duckdb"}) for table in TABLES],
    pool="duckdb",
)
def raw_documents(
    config: ExtractConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult]:
    """Land the source's documents, or what of them has not been landed yet."""
    extraction = extract(config.source, warehouse.file, progress=progress)
    for table in TABLES:
        yield dg.MaterializeResult(
            asset_key=["raw", table],
            metadata={
                "dataset": extraction.dataset.name,
                "source": extraction.dataset.source,
                "synthetic": extraction.dataset.is_synthetic,
                "dagster/row_count": extraction.rows[table],
                "note": extraction.note,
            },
        )
