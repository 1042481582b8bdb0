"""The raw documents as assets: landed by `extract/`, described by dbt's sources."""

from collections.abc import Iterator
from dataclasses import fields

import dagster as dg
from pydantic import Field

from extract.settings import CrawlOptions
from extract.song_files import ReadingOptions
from extract.sources import extract
from orchestration.checks import DOCUMENT_CHECKS, check_documents
from orchestration.failures import told_in_a_sentence
from orchestration.metadata import preview
from orchestration.readings import FileReading
from orchestration.resources import Warehouse
from warehouse.progress import Progress
from warehouse.raw import READ_BY_DBT

_DEFAULTS = CrawlOptions()
_OF_FILES = tuple(field.name for field in fields(ReadingOptions))


class ExtractConfig(dg.Config):
    """Where the documents come from, and how much of them, or how a file is read.

    Apart from `source`, these are fields of `CrawlOptions` and of `ReadingOptions`.
    """

    source: str = Field(
        default="auto",
        description="auto: the active dataset (what of it is missing), or the sandbox in an empty warehouse. "
        "Else: sandbox, spotify, the path of a dump, a published dump (tidytuesday, fma), or a landed dataset's name.",
    )
    genres: dict[str, int | None] = Field(
        default={}, description="Genres to crawl, each with a limit of search hits or null; none: the study's 132."
    )
    hits_per_genre: int = Field(
        default=_DEFAULTS.hits_per_genre, description="The most search hits per genre, 1 to 1,000."
    )
    refresh: str = Field(
        default=_DEFAULTS.refresh,
        description="popularity or all: ask again, and land the answers as new rows. Empty: only what is missing.",
    )
    requests_per_window: int | None = Field(
        default=_DEFAULTS.requests_per_window,
        description="The most requests in any 30 s; by default 150 for Spotify, no limit for the sandbox.",
    )
    request_budget: int | None = Field(
        default=_DEFAULTS.request_budget, description="Stop in good order after this many requests, retries included."
    )
    per_day: int | None = Field(
        default=_DEFAULTS.per_day, description="The most requests in any 24 hours, earlier runs included."
    )
    max_wait: float = Field(
        default=_DEFAULTS.max_wait, description="Seconds; a longer wait than this ends the crawl in good order."
    )

    mapping: dict[str, str] = Field(
        default={}, description="Of a file: our field and its column, for columns that are not recognised."
    )
    units: dict[str, str] = Field(
        default={}, description="Of a file: our field and its unit, where its values do not tell."
    )
    all_genres: bool = Field(default=False, description="Of a file: each genre of a cell makes a listing.")
    merge_genres: bool = Field(
        default=False, description="Of a file: genres that differ in case, spaces and marks alone are one."
    )

    def options(self) -> CrawlOptions:
        """How a crawl is to be done. Raises `CrawlError` for a value that makes no sense."""
        return CrawlOptions(**self.model_dump(exclude={"source", *_OF_FILES}))

    def reading(self) -> ReadingOptions:
        """How a file is to be read."""
        return ReadingOptions(**self.model_dump(include=set(_OF_FILES)))


@dg.multi_asset(
    specs=[dg.AssetSpec(["raw", table], group_name="extract", kinds={"duckdb"}) for table in READ_BY_DBT],
    check_specs=DOCUMENT_CHECKS,
)
def raw_documents(
    config: ExtractConfig, warehouse: Warehouse, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Land the source's documents, or what of them has not been landed yet."""
    progress("extract", 0, None)
    with told_in_a_sentence():
        extraction = extract(
            config.source, warehouse.file, options=config.options(), reading=config.reading(), progress=progress
        )
        with warehouse.connect(read_only=True) as connection:
            shown = {table: preview(connection, "raw", table) for table in READ_BY_DBT}
            checks = list(check_documents(connection, extraction.dataset.name))
    cost: dict[str, dg.MetadataValue] = {}
    if extraction.report:
        cost = {
            "requests": dg.MetadataValue.int(extraction.report.requests),
            "attempts": dg.MetadataValue.int(extraction.report.attempts),
            "retries": dg.MetadataValue.int(extraction.report.retries),
            "waited_seconds": dg.MetadataValue.float(extraction.report.waited_seconds),
            "unusable_answers": dg.MetadataValue.int(extraction.report.unusable),
            "listings_by_genre": dg.MetadataValue.json(dict(extraction.report.listings)),
        }
    if report := extraction.imported:
        reading = FileReading.of(report.file, report.problem_rows, report.problems)
        cost["reading"] = dg.MetadataValue.text(reading.as_json())
    if extraction.suspended:
        cost["suspended"] = dg.MetadataValue.text(str(extraction.suspended))
    for table in READ_BY_DBT:
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
