"""Asset checks besides dbt's own tests: their specifications, and the results that Dagster gets.

Belongs here: the checks, each with what follows where it fails. None stops a run: "no" is an answer. Not here: the
steps that made what is checked (assets/), and rules on rows, which are dbt tests.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from ml.settings import BASELINE, STUDY_FOREST
from warehouse.raw import DOCUMENTS

if TYPE_CHECKING:
    from ml.training import Summary
    from ml.verdict import Verdict

DRIFT = 0.02
"""How far top-3 may fall below that of the previous run on the same dataset before the check warns."""

MODEL_RUNS = dg.AssetKey(["ml", "model_runs"])
PREDICTIONS = dg.AssetKey(["ml", "genre_predictions"])
SONG_PREDICTIONS = dg.AssetKey(["ml", "song_predictions"])
SETS = dg.AssetKey(["ml", "genre_sets"])

DOCUMENT_CHECKS = [
    dg.AssetCheckSpec(
        "documents_parse",
        asset=["raw", table],
        description="Every payload of the active dataset is JSON. Warns: one that is not is kept, and its listing "
        "becomes a row of marts.rejected_listings.",
    )
    for table in DOCUMENTS
]
MODEL_CHECKS = [
    dg.AssetCheckSpec(
        "enough_to_learn",
        asset=MODEL_RUNS,
        description="There are enough genres, artists and tracks to hold some out. Otherwise no model is published.",
    ),
    dg.AssetCheckSpec(
        "nothing_on_both_sides",
        asset=MODEL_RUNS,
        description="No credited artist and no identical audio vector is in both parts of the split. Else the model is "
        "not published.",
    ),
    dg.AssetCheckSpec(
        "beats_the_majority",
        asset=MODEL_RUNS,
        description="Top-1 and log loss are better than those of the genres' shares on the same split, by their whole "
        "95% intervals. Else the model is not published, and the report says so.",
    ),
    dg.AssetCheckSpec(
        "beats_the_study_forest",
        asset=MODEL_RUNS,
        description="Log loss is better than the study's forest's on the same split. Warns.",
    ),
    dg.AssetCheckSpec(
        "keeps_its_score",
        asset=MODEL_RUNS,
        description=f"Top-3 is no more than {DRIFT} below that of the run published before, of this dataset. Warns.",
    ),
]
PREDICTION_CHECKS = [
    dg.AssetCheckSpec(
        "every_clean_track",
        asset=PREDICTIONS,
        description="Each clean track has a first guess, and nothing else has one.",
    )
]


def check_documents(connection: duckdb.DuckDBPyConnection, dataset: str) -> Iterator[dg.AssetCheckResult]:
    """One result per table of documents: how many of the dataset's are not JSON; NULL, no document, is not counted."""
    for table in DOCUMENTS:
        landed, unreadable = connection.execute(
            f"""
            select count(*), count(*) filter (payload is not null and not json_valid(payload))
            from raw.{table} where dataset = ?
            """,
            [dataset],
        ).fetchone() or (0, 0)
        yield dg.AssetCheckResult(
            passed=not unreadable,
            asset_key=["raw", table],
            check_name="documents_parse",
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"documents": landed, "no JSON": unreadable},
        )


def check_model(
    verdict: "Verdict", run: "Summary | None", others: Mapping[str, "Summary"], previous: tuple[str, float] | None
) -> Iterator[dg.AssetCheckResult]:
    """The results for the verdict on a run, None where none could be fitted, beside `others` of the same split.

    `previous` is the run_id and top-3 of the run that was published before.
    """
    yield _of_model("enough_to_learn", not verdict.too_little, {}, said=verdict.too_little)
    if run is None:
        for spec in MODEL_CHECKS[1:]:
            yield _of_model(spec.name, True, {}, said="There is no run to judge.", warns=True)
        return
    yield _of_model("nothing_on_both_sides", not verdict.leak, {"held-out tracks": run.scores.n}, said=verdict.leak)
    beats_majority = not verdict.no_better
    yield _of_model(
        "beats_the_majority", beats_majority, _beside(run, others.get(BASELINE, run)), said=verdict.no_better
    )
    forest = others.get(STUDY_FOREST, run)  # the model compared with itself: it was chosen on purpose
    better = forest is run or run.scores.log_loss < forest.scores.log_loss
    yield _of_model("beats_the_study_forest", better, _beside(run, forest), warns=True)
    run_id, top_3 = previous or ("none", run.scores.top_3)
    yield _of_model(
        "keeps_its_score",
        run.scores.top_3 >= top_3 - DRIFT,
        {"top_3": run.scores.top_3, "top_3 before": top_3, "run before": run_id},
        warns=True,
    )


def _beside(run: "Summary", other: "Summary") -> dict[str, Any]:
    return {
        "top_1": run.scores.top_1, f"top_1 of {other.name}": other.scores.top_1,
        "log_loss": run.scores.log_loss, f"log_loss of {other.name}": other.scores.log_loss,
    }  # fmt: skip


def _of_model(
    name: str, passed: bool, metadata: dict[str, Any], *, said: str = "", warns: bool = False
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, asset_key=MODEL_RUNS, check_name=name, description=said or None, metadata=metadata,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
    )  # fmt: skip


def previously_published(connection: duckdb.DuckDBPyConnection, dataset: str) -> tuple[str, float] | None:
    """The run_id and top-3 of the published run of the dataset, where there is one."""
    try:
        found = connection.execute(
            "select run_id, top_3 from ml.model_runs where is_published and dataset = ?", [dataset]
        ).fetchone()
    except duckdb.CatalogException:  # the first run
        return None
    return (found[0], found[1]) if found else None


def check_predictions(connection: duckdb.DuckDBPyConnection) -> dg.AssetCheckResult:
    """Compares the tracks that have a first guess with marts.clean_tracks."""
    without, unknown = connection.execute(
        """
        select count(*) filter (guess.spotify_track_id is null), count(*) filter (track.spotify_track_id is null)
        from marts.clean_tracks as track
        full join (
                select spotify_track_id from ml.genre_predictions
                where rank = 1 and dataset = (select any_value(dataset) from marts.cleaning_audit)
            ) as guess
            on track.spotify_track_id = guess.spotify_track_id
        """
    ).fetchone() or (0, 0)
    return dg.AssetCheckResult(
        passed=not (without or unknown),
        asset_key=PREDICTIONS,
        check_name="every_clean_track",
        metadata={"clean tracks without a guess": without, "guesses of no clean track": unknown},
    )
