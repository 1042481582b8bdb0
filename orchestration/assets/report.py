"""What people look at: the published copy of the warehouse, and the report made from it."""

from pathlib import Path

import dagster as dg

from extract.progress import Progress
from ml.report import build_report
from orchestration.resources import Warehouse

REPORTS = Path("reports")


@dg.asset(
    key=["report", "published_database"],
    group_name="report",
    deps=[
        *(["marts", name] for name in ("clean_tracks", "cleaning_audit", "rejected_listings", "track_genres")),
        ["ml", "genre_predictions"],
    ],
    kinds={"duckdb"},
    pool="duckdb",
)
def published_database(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """The copy that readers open: replaced at once, when everything before it was built and tested."""
    progress("publishing", 0, None)
    size = warehouse.publish()
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(warehouse.published_path), "bytes": size})


@dg.asset(key=["report", "page"], group_name="report", deps=[published_database], kinds={"html"})
def report_page(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """reports/index.html: the answer in charts, from the published copy alone."""
    progress("report", 0, None)
    with warehouse.connect_published() as connection:
        result = build_report(connection, REPORTS)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(result.path.absolute())),
            "charts": len(result.charts),
            "missing": "\n".join(result.missing) or "nothing",
        }
    )
