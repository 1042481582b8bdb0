"""May the model be shown with these tracks? "No" is an answer: it is recorded with its figures, and stops nothing else.

Belongs here: the gate that a run must pass, and the table `ml.verdicts`. Not here: the figures themselves
(evaluation.py), and which recorded model is shown (warehouse/publication.py).
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from ml.dataset import Tracks
from ml.tables import create_ml_tables
from ml.training import Summary
from warehouse.files import transaction
from warehouse.raw import now

LEAST_ARTISTS = 10
"""The fewest held-out artists for which figures are shown: an interval over fewer says nothing."""

NOT_SHOWN = "No figure of it is shown."
NOT_PUBLISHED = "This model is not published."


@dataclass(frozen=True)
class Verdict:
    """What was found: the run that was judged (None where none could be fitted), and why it may not be shown.

    `leak`, `too_little` and `no_better` each hold a sentence, or are empty where there is nothing to object.
    """

    run_id: str | None
    leak: str = ""
    too_little: str = ""
    no_better: str = ""

    @property
    def may_publish(self) -> bool:
        """Whether the model may be shown."""
        return self.run_id is not None and not self.finding

    @property
    def finding(self) -> str:
        """The first objection; empty where there is none."""
        return self.leak or self.too_little or self.no_better


def judge(run: Summary, majority: Summary, leaks: list[str]) -> Verdict:
    """Judge a run by the majority class (`majority`, of the same split) and by what `leaks` of the split.

    A run passes when its first guess is right more often than always naming the commonest genre, and its probabilities
    are better (log loss) than the genres' shares, each by its whole 95 % interval.
    """
    if leaks:
        return Verdict(run.run_id, leak=f"The split leaks: {'; '.join(leaks)}. So nothing is held out. {NOT_SHOWN}")
    if run.n_artists_test < LEAST_ARTISTS:
        return Verdict(
            run.run_id,
            too_little=f"Only {run.n_artists_test} of the artists could be held out, with {run.scores.n:,} tracks; a "
            f"figure needs {LEAST_ARTISTS}. Import a dump with more artists. {NOT_SHOWN}",
        )
    scores, other = run.scores, majority.scores
    guesses_better = np.isnan(scores.top_1_low) or scores.top_1_low > other.top_1
    weighs_better = np.isnan(scores.log_loss_high) or scores.log_loss_high < other.log_loss
    if guesses_better and weighs_better:
        return Verdict(run.run_id)
    right = (
        f"of {scores.n:,} held-out tracks, {run.name} names the right one of {run.n_genres} genres for "
        f"{scores.top_1:.1%} (95% interval {scores.top_1_low:.1%} to {scores.top_1_high:.1%})"
    )
    if guesses_better:
        return Verdict(
            run.run_id,
            no_better=f"No: {right}, but its probabilities are no better than the genres' shares (log loss "
            f"{scores.log_loss:.3f}, interval {scores.log_loss_low:.3f} to {scores.log_loss_high:.3f}, against "
            f"{other.log_loss:.3f}). {NOT_PUBLISHED}",
        )
    commonest = f"always naming the commonest genre is right for {other.top_1:.1%}"
    return Verdict(run.run_id, no_better=f"No: {right}; {commonest}. {NOT_PUBLISHED}")


def record_verdict(connection: duckdb.DuckDBPyConnection, tracks: Tracks, verdict: Verdict) -> None:
    """Replace the verdict on `tracks`, in one transaction.

    A run that may be shown becomes the published one of its dataset; otherwise the previous one stays, unless that is
    this very run, judged anew by other rules.
    """
    row = pd.DataFrame(
        [
            {
                "dataset": tracks.dataset,
                "is_synthetic": tracks.is_synthetic,
                "tracks_digest": tracks.digest,
                "run_id": verdict.run_id,
                "may_publish": verdict.may_publish,
                "finding": verdict.finding,
                "decided_at": now(),
            }
        ]
    ).astype({"run_id": "string"})
    with transaction(connection):
        create_ml_tables(connection)
        connection.execute(
            "delete from ml.verdicts where (dataset, tracks_digest) = (?, ?)", [tracks.dataset, tracks.digest]
        )
        connection.register("incoming", row)
        connection.execute("insert into ml.verdicts by name select * from incoming")
        if verdict.may_publish:
            connection.execute(
                "update ml.model_runs set is_published = (run_id = ?) where dataset = ?",
                [verdict.run_id, tracks.dataset],
            )
        else:
            connection.execute("update ml.model_runs set is_published = false where run_id = ?", [verdict.run_id])
