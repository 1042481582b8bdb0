"""What people look at: the published copy of the warehouse, and the report, exports and documentation made from it."""

from pathlib import Path

import dagster as dg

from orchestration.assets.warehouse import dbt_models
from orchestration.builds import newest_source
from orchestration.failures import told_in_a_sentence
from orchestration.resources import Warehouse, write_documentation
from warehouse.exports import export
from warehouse.progress import Progress

REPORTS = Path("reports")


@dg.asset(
    key=["report", "published_database"],
    group_name="report",
    deps=[
        *(key for key in dbt_models.keys if key.path[0] == "marts"),
        ["ml", "verdicts"],
        ["ml", "genre_clusters"],
        ["ml", "popularity_fits"],
    ],
    kinds={"duckdb"},
)
def published_database(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """The copy that readers open: replaced at once, whenever everything before it was built and tested."""
    progress("publishing", 0, None)
    with told_in_a_sentence():
        publication = warehouse.publish()
    changes = [
        dg.TableRecord(
            {
                "mart": change.mart,
                "added": change.added,
                "removed": change.removed,
                "changed": change.changed,
                "examples": "\n".join(f"{kind}: {'; '.join(keys)}" for kind, keys in change.examples.items()),
            }
        )
        for change in publication.changes
    ]
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(warehouse.published_path),
            "bytes": publication.size,
            "dataset": publication.build.dataset,
            "synthetic": publication.build.is_synthetic,
            "model": publication.model.run_id or "none",
            "finding": publication.model.finding or "A model is shown.",
            "the copy before": publication.before or "none",
            **({"changes": dg.MetadataValue.table(changes)} if changes else {}),
        }
    )


@dg.asset(
    key=["report", "page"],
    group_name="report",
    deps=[published_database],
    kinds={"html"},
)
def report_page(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """reports/index.html: the answer in charts, from the published copy; library.html for songs without genres."""
    from ml.library import build_library
    from ml.report import build_report  # Plotly, which takes a second to import

    progress("report", 0, None)
    with told_in_a_sentence(), warehouse.connect_published() as connection:
        result = build_report(connection, REPORTS)
        library = build_library(connection, REPORTS)
    page = result.path.absolute().as_uri()
    charts = [
        dg.TableRecord({"chart": result.titles[key], "tracks": result.tracks[key], "link": f"{page}#{key}"})
        for key in result.charts
    ]
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(result.path.absolute())),
            "charts": dg.MetadataValue.table(charts),
            "missing": "\n".join(result.missing) or "nothing",
            **({"library": dg.MetadataValue.path(str(library.absolute()))} if library else {}),
        }
    )


@dg.asset(
    key=["report", "documentation"],
    group_name="report",
    deps=[key for key in dbt_models.keys if key.path[0] == "marts"],
    kinds={"html"},
)
def documentation(progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """reports/warehouse.html: every table, column, test and the lineage, as dbt documents them."""
    progress("documentation", 0, None)
    page = REPORTS / "warehouse.html"
    # It is of the tables, not of their rows: without a change to the project it stays as it is.
    if not page.exists() or page.stat().st_mtime < newest_source():
        with told_in_a_sentence():
            write_documentation(page)
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(page.absolute()))})


@dg.asset(
    key=["report", "exports"],
    group_name="report",
    deps=[published_database],
    kinds={"csv", "parquet"},
)
def exports(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> dg.MaterializeResult:
    """exports/<dataset>/: the two CSVs of the study's notebooks, and each mart as Parquet."""
    with told_in_a_sentence(), warehouse.connect_published() as connection:
        written = export(connection, progress=progress)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(written.folder.absolute())),
            "synthetic": written.is_synthetic,
            "rows": dg.MetadataValue.json(dict(written.rows)),
        }
    )


ASSETS = [published_database, report_page, documentation, exports]
