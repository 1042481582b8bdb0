"""What the console shows: progress lines, and the tables at a command's end.

Belongs here: how results look on a screen. Not here: arguments (cli.py), and any work.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from orchestration.readings import FileReading

if TYPE_CHECKING:
    from ml.summary import Summary
    from ml.training import Run
    from warehouse.publication import Publication

console = Console()
errors = Console(stderr=True)

SONGS_SHOWN = 20
COLUMNS_SHOWN = 20
STAGES = {
    "raw_documents": "extract",
    "dbt_models": "transform and test",
    "genre_model": "train, evaluate, predict",
    "report__published_database": "publish",
    "report__page": "report",
    "report__documentation": "document",
    "report__exports": "export",
}
"""The run's steps in order, by Dagster's name, with the reader's word for each."""


class ScreenProgress:
    """A Rich progress line a stage; call it as an `warehouse.progress.Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: dict[str, object] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` of a stage are finished."""
        if stage not in self._task:
            for earlier in self._progress.tasks:
                self._progress.stop_task(earlier.id)
            self._task[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._task[stage], completed=done, total=total)  # type: ignore[arg-type]


@contextmanager
def screen_progress() -> Iterator[ScreenProgress]:
    """Progress lines for the block, gone when it ends."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        yield ScreenProgress(progress)


def print_summary(summary: "Summary", seconds: Mapping[str, float], *, database: Path, report: Path) -> None:
    """The table at the end of a run; what was found of the model comes first, where there is something to say."""
    label = " (synthetic)" if summary.build.is_synthetic else ""
    if summary.model.finding:
        console.print(f"[bold]{escape(summary.model.finding)}[/]", highlight=False, soft_wrap=True)
    table = Table(title=f"song-genres: {summary.build.dataset}{label}", show_header=False, title_justify="left")
    table.add_row("listings", f"{summary.listings:,}{label}")
    table.add_row("clean tracks", f"{summary.clean_tracks:,}{label}")
    table.add_row("genres", f"{summary.genres:,}{label}")
    table.add_section()
    for row in summary.figures:
        table.add_row(
            f"{row.model}, {row.n_test:,} held-out tracks{label}",
            f"top-1 {row.top_1:.3f}   top-3 {row.top_3:.3f}   macro F1 {row.macro_f1:.3f}",
        )
    if not summary.figures:
        table.add_row("model", "none is shown")
    if summary.left_out:
        shown = "; ".join(f"{genre}: {reason}" for genre, reason in summary.left_out[:3])
        more = f"; {len(summary.left_out) - 3} more in ml.genres_left_out" if len(summary.left_out) > 3 else ""
        table.add_row(f"{len(summary.left_out)} genres not learnt", shown + more)
    for note in summary.notes:
        table.add_row("to know", escape(note))
    table.add_section()
    for stage, spent in seconds.items():
        table.add_row(stage, f"{spent:.1f} s")
    table.add_section()
    table.add_row("database", str(database))
    table.add_row("report", str(report))
    console.print(table)


def print_reading(reading: FileReading, console: Console = console) -> None:
    """What became of each column of a file, in one short table, and what else is to be known of the file."""
    told = [row for row in reading.columns if row[2] or row[0].lower() != row[1]]
    table = Table("column", "is", "and was", box=None, pad_edge=False)
    for column, field, done in told:
        table.add_row(escape(column[:60]) or "[dim]none[/]", field, escape(done) or "[dim]read as it stands[/]")
    if told:
        console.print(table)
    if others := len(reading.columns) - len(told):
        console.print(f"Of our names, and read as they stand: {others} column{'s' * (others != 1)}.", highlight=False)
    if reading.unknown:
        console.print(f"Not in the file, so unknown: {', '.join(reading.unknown)}.", highlight=False, soft_wrap=True)
    if reading.unused:
        shown = ", ".join(escape(column[:60]) for column in reading.unused[:COLUMNS_SHOWN])
        more = f" and {len(reading.unused) - COLUMNS_SHOWN:,} more" if len(reading.unused) > COLUMNS_SHOWN else ""
        console.print(f"Columns not used: {shown}{more}.", highlight=False, soft_wrap=True)
    for note in reading.notes:
        console.print(escape(note), highlight=False, soft_wrap=True)
    for warning in reading.warnings:
        errors.print(f"[yellow]{escape(warning)}[/]", highlight=False, soft_wrap=True)
    if reading.problem_rows:
        console.print(f"{reading.problem_rows:,} rows cannot be used, and will be rejected. The first:")
        print_problems(reading.problems, console)


def print_problems(problems: Sequence[str], console: Console = console) -> None:
    """Rows that cannot be used."""
    for problem in problems:
        console.print(f"  {problem}", highlight=False, markup=False, soft_wrap=True)


def print_publication(publication: "Publication", path: Path) -> None:
    """What was published, and what changed in each mart against the copy before."""
    build = publication.build
    label = " (synthetic)" if build.is_synthetic else ""
    console.print(
        f"{path} ({publication.size / 1e6:,.1f} MB) is the warehouse as it is now: {escape(build.dataset)}{label}.",
        highlight=False,
        soft_wrap=True,
    )
    model = publication.model
    console.print(escape(model.finding or f"Its model: {model.run_id}."), highlight=False, soft_wrap=True)
    if publication.before not in (None, build.dataset):
        console.print(f"The copy before held another dataset: {escape(str(publication.before))}.", highlight=False)
    if not publication.changes:
        console.print("There was no copy before.")
        return
    table = Table("mart", "rows added", "removed", "changed")
    for change in publication.changes:
        table.add_row(change.mart, f"{change.added:,}", f"{change.removed:,}", f"{change.changed:,}")
    console.print(table)


def print_runs(runs: "Sequence[Run]", published: Mapping[str, Mapping[str, float]]) -> None:
    """The figures of runs on the same held-out tracks; below them those that the study published of the same genres."""
    tracks, first = runs[0].tracks, runs[0]
    label = ", synthetic" if tracks.is_synthetic else ""
    table = Table(
        "model", "top-1", "top-3", "macro F1", "log loss", "calibration error", "fit", "memory",
        title=f"{tracks.dataset}{label}: {first.protocol}, {first.folds} split(s), {first.scores.n:,} held-out tracks; "
        "in brackets the 95 % interval over artists", title_justify="left",
    )  # fmt: skip
    for run in runs:
        scores = asdict(run.scores)
        table.add_row(
            f"{run.name} ({run.features})",
            *(
                f"{scores[name]:.3f} ({scores[f'{name}_low']:.3f}-{scores[f'{name}_high']:.3f})"
                for name in ("top_1", "top_3", "macro_f1", "log_loss")
            ),
            f"{scores['ece']:.3f}",
            f"{run.fit_seconds:.1f} s",
            f"{run.peak_mb:,.0f} MB",
        )
    for name, figures in published.items():
        cells = [f"{figures[key]:.3f}" if key in figures else "" for key in ("top_1", "top_3", "macro_f1")]
        table.add_row(f"[dim]{name}, as the study published it[/]", *cells)
    console.print(table)
    for note in dict.fromkeys(note for run in runs for note in run.notes):
        console.print(f"  {note}", highlight=False)
    console.print(
        "Recorded in ml.model_runs of the warehouse. To publish a model: song-genres run --model NAME --features …",
        highlight=False,
    )
