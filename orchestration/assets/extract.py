"""The raw documents as assets: landed by `extract/`, described by dbt's sources."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from extract.sources import CrawlOptions, crawl_options, extract
from orchestration.checks import DOCUMENT_CHECKS, check_documents
from orchestration.failures import told_in_a_sentence
from orchestration.metadata import preview
from orchestration.resources import Warehouse
from warehouse.progress import Progress
from warehouse.raw_export import TABLES


class ExtractConfig(dg.Config):
    """Where the documents come from, and how much of them."""

    source: str = Field(
        default="auto",
        description="auto: the active dataset (what of it is missing), or the sandbox in an empty warehouse. "
        "Else: sandbox, spotify, the path of a dump, or the name of a published dump (tidytuesday).",
    )
    genres: dict[str, int | None] = Field(
        default={}, description="Genres to crawl, each with a limit of search hits or null; none are the study's 132."
    )
    hits_per_genre: int = Field(default=1000, description="The most search hits of a genre, 1 to 1,000.")
    refresh: str = Field(
        default="",
        description="popularity or all: ask anew, as new rows beside the old ones. Empty: only what is missing.",
    )
    requests_per_window: int | None = Field(
        default=None, description="The most requests in any 30 s; by default 150 for Spotify, no limit for the sandbox."
    )
    request_budget: int | None = Field(default=None, description="Stop in good order after so many requests.")
    max_wait: float = Field(default=900.0, description="Seconds; a longer wait than this ends the crawl in good order.")

    def options(self) -> CrawlOptions:
        """The same for `extract.sources.extract`. Raises `CrawlError` for an unknown refresh."""
        return crawl_options(
            genres=self.genres,
            refresh=self.refresh,
            hits_per_genre=self.hits_per_genre,
            requests_per_window=self.requests_per_window,
            request_budget=self.request_budget,
            max_wait=self.max_wait,
        )


@dg.multi_asset(
    specs=[dg.AssetSpec(["raw", table], group_name="extract", kinds={"duckdb"}) for table in TABLES],
    check_specs=DOCUMENT_CHECKS,
)
def raw_documents(
    config: ExtractConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Land the source's documents, or what of them has not been landed yet."""
    with told_in_a_sentence():
        extraction = extract(config.source, warehouse.file, options=config.options(), progress=progress)
        with warehouse.connect(read_only=True) as connection:
            shown = {table: preview(connection, "raw", table) for table in TABLES}
            checks = list(check_documents(connection, extraction.dataset.name))
    cost: dict[str, dg.MetadataValue] = {}
    if extraction.report:
        cost = {
            "requests": dg.MetadataValue.int(extraction.report.requests),
            "retries": dg.MetadataValue.int(extraction.report.retries),
            "waited_seconds": dg.MetadataValue.float(extraction.report.waited_seconds),
            "unusable_answers": dg.MetadataValue.int(extraction.report.unusable),
            "listings_by_genre": dg.MetadataValue.json(dict(extraction.report.listings)),
        }
    for table in TABLES:
        yield dg.MaterializeResult(
            asset_key=["raw", table],
            metadata={
                **shown[table],
                **cost,
                "dataset": extraction.dataset.name,
                "source": extraction.dataset.source,
                "synthetic": extraction.dataset.is_synthetic,
                "dagster/row_count": extraction.rows[table],
                "note": extraction.note,
            },
        )
    yield from checks
