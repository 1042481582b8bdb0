"""What the console shows at a command's end.

Belongs here: how results look on a screen. Not here: arguments (cli.py), progress (progress.py), and any work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from ml.settings import with_inputs
from orchestration.progress import errors
from orchestration.readings import FileReading

if TYPE_CHECKING:
    from extract.cleaning import CleaningReport
    from extract.dumps import ImportReport
    from extract.sources import Extraction
    from ml.scoring import Tally
    from ml.summary import Summary
    from ml.training import Run
    from orchestration.songs import ScoredFile
    from warehouse.changes import MartChange
    from warehouse.exports import Export
    from warehouse.publication import Difference, Publication
    from warehouse.raw import Dataset

# Names of datasets, genres, columns and files may hold brackets: only what is printed with markup=True is markup.
console = Console(markup=False, emoji=False)

SONGS_SHOWN = 20
COLUMNS_SHOWN = 20
STAGES = {
    "raw_documents": "extract",
    "dbt_models": "transform and test",
    "genre_model": "train, evaluate, predict",
    "genre_clusters": "compare genres",
    "popularity_fits": "explain popularity",
    "report__published_database": "publish",
    "report__page": "report",
    "report__documentation": "document",
    "report__exports": "export",
}
"""The run's steps in order, by Dagster's name, with the reader's word for each."""


def print_active_dataset(active: "Dataset | None") -> None:
    """Which dataset a run without --input goes on with, and how to choose another."""
    if active is None:
        console.print("Nothing was landed yet, so this is the embedded sandbox: synthetic data.", highlight=False)
        return
    label = ", synthetic" if active.is_synthetic else ""
    other = "" if active.is_synthetic else " The synthetic sandbox instead: make run INPUT=sandbox."
    console.print(f"Going on with the active dataset, {active.name} ({active.source}{label}).{other}", highlight=False)


def print_datasets(landed: "Sequence[tuple[Dataset, bool, int]]") -> None:
    """The table of datasets: each with whether it is the active one, and its number of listings."""
    # Names are typed for `use`, so they are folded and not cut.
    table = Table(Column("dataset", overflow="fold"), Column("source", overflow="fold"), "listings", "note")
    for dataset, is_active, listings in landed:
        marks = ", ".join(
            word for word, applies in (("active", is_active), ("synthetic", dataset.is_synthetic)) if applies
        )
        table.add_row(dataset.name, dataset.source, f"{listings:,}", marks)
    console.print(table)


def print_extraction(extraction: "Extraction") -> None:
    """The rows of each raw table, and what a crawl cost."""
    label = " (synthetic)" if extraction.dataset.is_synthetic else ""
    if extraction.imported:
        report = extraction.imported
        print_reading(FileReading.of(report.file, report.problem_rows, report.problems))
    table = Table(title=f"{extraction.dataset.name}{label}: {extraction.note}", show_header=False, title_justify="left")
    for name, rows in extraction.rows.items():
        table.add_row(f"raw.{name}", f"{rows:,} rows{label}")
    if extraction.report:
        table.add_section()
        table.add_row("requests of this run", f"{extraction.report.requests:,}, {extraction.report.retries:,} retries")
        table.add_row("waited", f"{extraction.report.waited_seconds:.1f} s")
        table.add_row("unusable answers", f"{extraction.report.unusable:,} (kept in raw.unusable_responses)")
    console.print(table)


def print_import(report: "ImportReport", *, is_landed: bool) -> None:
    """How a file was read, what an import landed of it or would land, and the first rows that cannot be used."""
    if report.already_landed:
        end = f"was landed already; nothing changed. It {'is the active one now' if is_landed else 'would be active'}."
    elif is_landed:
        end = f"landed {report.listings:,} listings. It is the active one now."
    else:
        end = f"would land {report.listings:,} listings; nothing was landed."
    console.print(f"Dataset [bold]{escape(report.dataset)}[/] ({escape(report.layout)} layout): {end}", markup=True)
    print_reading(FileReading.of(report.file, report.problem_rows, report.problems))


def print_cleaning(report: "CleaningReport", output: Path) -> None:
    """The table of cleaning rules, with the rows that each took and left."""
    print_reading(FileReading.of(report.file), others="left out of the output")
    title = f"{output} ({report.file.layout_name} layout)"
    table = Table("rule", "rows taken", "rows after", title=title, title_justify="left")
    for rule, taken, after in report.audit:
        table.add_row(rule, f"{taken:,}", f"{after:,}")
    console.print(table)


def print_sandbox(address: str, tier: str) -> None:
    """Where the sandbox answers, and the command that crawls it."""
    from extract.sandbox.server import CLIENT_ID, CLIENT_SECRET

    console.print(f"The sandbox (synthetic data, {tier} tier) answers at {address}. Crawl it with:")
    console.print(
        f"  SPOTIFY_CLIENT_ID={CLIENT_ID} SPOTIFY_CLIENT_SECRET={CLIENT_SECRET} "
        f"SPOTIFY_ACCOUNTS_ADDRESS={address} SPOTIFY_API_ADDRESS={address}/v1 "
        f"RECCOBEATS_ADDRESS={address}/reccobeats/v1 song-genres extract --input spotify",
        soft_wrap=True,
        highlight=False,
    )


def print_songs(scored: "ScoredFile") -> None:
    """The table of the first scored songs."""
    label = ", a model of synthetic data" if scored.is_synthetic else ""
    # The guesses share a column, in which they wrap: five columns would cut genres where the screen is narrow.
    headers = [Column("song", max_width=24), Column("its most probable genres"), Column("set", justify="right")]
    are_missing = any(song["missing_features"] for song in scored.first)
    if are_missing:
        headers.append(Column("missing", max_width=16))
    table = Table(*headers, title=f"{scored.run_id}{label}")
    for number, song in enumerate(scored.first, start=1):
        name = song.get(scored.file.columns.get("song_name", "")) or f"song {number}"
        guesses = ", ".join(
            f"{song[f'genre_{rank}']} {song[f'probability_{rank}']:.2f}"
            for rank in range(1, 6)
            if song.get(f"genre_{rank}") is not None
        )
        size = "" if song["genre_set_size"] is None else str(song["genre_set_size"])
        table.add_row(str(name), guesses, size, *([song["missing_features"]] if are_missing else []))
    console.print(table)
    console.print("set: among so many of the most probable genres the right one is nine times in ten.")
    if scored.has_more:
        console.print(f"The first {SONGS_SHOWN} songs; all of them with an OUT: predict IN OUT.")


def print_tally(tally: "Tally", output: str | None) -> None:
    """How many songs were scored into `output`, if that is a file, and the first that have a problem."""
    if output:
        console.print(f"{tally.songs:,} songs scored into {output}", soft_wrap=True)
    if tally.problem_rows:
        errors.print(
            f"[yellow]{tally.problem_rows:,} of {tally.songs:,} songs have a value that cannot be used; it counts "
            "as missing, and the column problems names it.[/] The first:",
            highlight=False,
            markup=True,
            soft_wrap=True,
        )
        print_problems(tally.problems, errors)


def print_export(written: "Export", what: str) -> None:
    """The table of what was written: the rows of each `what`."""
    label = " (synthetic)" if written.is_synthetic else ""
    table = Table(what, "rows", title=f"{written.dataset}{label}: {written.folder}/", title_justify="left")
    for name, rows in written.rows.items():
        table.add_row(name, f"{rows:,}")
    console.print(table)


def print_summary(
    summary: "Summary", seconds: Mapping[str, float], *, recalled: str, database: Path, report: Path
) -> None:
    """The table at the end of a run. `recalled` says which models were not fitted in it, empty for none."""
    label = " (synthetic)" if summary.build.is_synthetic else ""
    title = f"song-genres: {summary.build.dataset}{label}"
    table = Table(Column(), Column(overflow="fold"), title=title, show_header=False, title_justify="left")
    table.add_row("listings", f"{summary.listings:,}{label}")
    table.add_row("clean tracks", f"{summary.clean_tracks:,}{label}")
    table.add_row("genres", f"{summary.genres:,}{label}")
    table.add_section()
    for row in summary.figures:
        table.add_row(
            f"{with_inputs(row.model, row.features)}, {row.n_test:,} held-out tracks{label}",
            f"top-1 {row.top_1:.3f}   top-3 {row.top_3:.3f}   macro F1 {row.macro_f1:.3f}",
        )
    for row in summary.figures[:1]:
        table.add_row(f"{row.model}, any listed genre counts", f"top-1 {row.top_1_any:.3f}   top-3 {row.top_3_any:.3f}")
        if row.coverage is not None:
            size = f"among {row.set_size:.1f} genres (measured: {row.coverage:.1%})"
            table.add_row(f"{row.model}, nine times in ten", size)
    if not summary.figures:
        table.add_row("model", "none is shown")
    if summary.left_out:
        shown = "; ".join(f"{genre}: {reason}" for genre, reason in summary.left_out[:3])
        more = f"; {len(summary.left_out) - 3} more in ml.genres_left_out" if len(summary.left_out) > 3 else ""
        table.add_row(f"{len(summary.left_out)} genres not learnt", shown + more)
    for note in summary.notes:
        table.add_row("to know", note)
    table.add_section()
    for stage, spent in seconds.items():
        table.add_row(stage, f"{spent:.1f} s")
        if stage == STAGES["genre_model"] and recalled:
            table.add_row("", f"recalled, not fitted (--refit fits): {recalled}")
    console.print(table)
    # Not in the table, which would cut them where the screen is narrow.
    console.print(f"Database: {database}", highlight=False, soft_wrap=True)
    console.print(f"Report: {report}", highlight=False, soft_wrap=True)


def print_reading(
    reading: FileReading, console: Console = console, *, others: str = "kept with each listing as they stand"
) -> None:
    """What became of each column of a file, in one short table, and what else is to be known of the file.

    `others` says what is done with the columns that are no field of ours.
    """
    told = [row for row in reading.columns if row[2] or row[0].lower() != row[1]]
    table = Table("column", "is", "and was", box=None, pad_edge=False)
    for column, field, done in told:
        table.add_row(column[:60] or Text("none", "dim"), field, done or Text("read as it stands", "dim"))
    if told:
        console.print(table)
    for said, names in (
        ("Read as they stand", [column for column, *rest in reading.columns if (column, *rest) not in told]),
        ("Not in the file, so unknown", reading.unknown),
        (f"Columns that are no field, {others}", reading.others),
    ):
        if names:
            shown = ", ".join(name[:60] for name in names[:COLUMNS_SHOWN])
            more = f" and {len(names) - COLUMNS_SHOWN:,} more" if len(names) > COLUMNS_SHOWN else ""
            console.print(f"{said}: {shown}{more}.", highlight=False, soft_wrap=True)
    for note in reading.notes:
        console.print(note, highlight=False, soft_wrap=True)
    for warning in reading.warnings:
        errors.print(warning, style="yellow", highlight=False, soft_wrap=True)
    if reading.problem_rows:
        console.print(f"{reading.problem_rows:,} rows cannot be used, and will be rejected. The first:")
        print_problems(reading.problems, console)


def print_problems(problems: Sequence[str], console: Console = console) -> None:
    """Rows that cannot be used."""
    for problem in problems:
        console.print(f"  {problem}", highlight=False, soft_wrap=True)


def print_publication(publication: "Publication", path: Path) -> None:
    """What was published, and what changed in each mart against the copy before."""
    build = publication.build
    label = " (synthetic)" if build.is_synthetic else ""
    console.print(
        f"{path} ({publication.size / 1e6:,.1f} MB) is the warehouse as it is now: {build.dataset}{label}.",
        highlight=False,
        soft_wrap=True,
    )
    model = publication.model
    console.print(model.finding or f"Its model: {model.run_id}.", highlight=False, soft_wrap=True)
    renew = "song-genres report && song-genres export"
    if publication.before is None:
        console.print("There was no copy before.")
        console.print(f"Make the report and the exports from it: {renew}", highlight=False, soft_wrap=True)
        return
    if publication.before != build.dataset:
        console.print(
            f"It replaces a copy of another dataset, {publication.before}, so rows are not compared.",
            highlight=False,
            soft_wrap=True,
        )
    else:
        print_changes(publication.changes)
    console.print(
        f"The report and the exports are older than this copy now. Renew them: {renew}", highlight=False, soft_wrap=True
    )


def print_changes(changes: "Sequence[MartChange]") -> None:
    """How many rows of each mart were added, removed and changed."""
    table = Table("mart", "rows added", "removed", "changed")
    for change in changes:
        table.add_row(change.mart, f"{change.added:,}", f"{change.removed:,}", f"{change.changed:,}")
    console.print(table)


def print_difference(difference: "Difference", path: Path) -> None:
    """Whether publishing would be refused, and what it would change, with the first keys of the rows of each mart."""
    from warehouse.changes import MART_KEYS

    changed = [change for change in difference.changes if change.examples]
    if difference.before is None:
        console.print(f"There is no published copy with marts at {path} to compare with.", soft_wrap=True)
    elif difference.before != difference.dataset:
        console.print(
            f"The two hold different datasets: the warehouse {difference.dataset}, the published copy "
            f"{difference.before}. So rows are not compared: publishing would replace all of them.",
            highlight=False,
            soft_wrap=True,
        )
    if difference.refusal:
        errors.print(f"It would not be published as it is. {difference.refusal}", style="yellow", soft_wrap=True)
    if difference.changes:
        print_changes(difference.changes)
        console.print("The first by their keys:" if changed else "No row of a mart differs.")
    for change in changed:
        console.print(f"{change.mart} ({', '.join(MART_KEYS[change.mart])})", highlight=False)
        for kind, keys in change.examples.items():
            console.print(f"  {kind}: {'; '.join(keys)}", highlight=False, soft_wrap=True)


def print_runs(runs: "Sequence[Run]", published: Mapping[str, Mapping[str, float]]) -> None:
    """The figures of runs on the same inputs and held-out tracks; below, what the study published of these genres."""
    tracks, first = runs[0].tracks, runs[0]
    label = ", synthetic" if tracks.is_synthetic else ""
    parts = "one split" if first.folds == 1 else f"{first.folds} folds"
    console.print(
        f"{tracks.dataset}{label}: {first.protocol} by {first.features}, {parts}, {first.scores.n:,} held-out tracks; "
        "in brackets the 95 % interval over artists",
        highlight=False,
    )
    # Without lines, and of short words, at which a cell may break: it fits into 80 columns, and nothing is cut.
    table = Table(
        Column("model", no_wrap=True), "top-1", "top-3", "any of its genres", "macro F1", "log loss", "calib. error",
        "sets", "fit",
        box=None, pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    for run in runs:
        scores = asdict(run.scores)
        table.add_row(
            run.name,
            *(
                f"{scores[name]:.3f} ({scores[f'{name}_low']:.3f} to {scores[f'{name}_high']:.3f})"
                for name in ("top_1", "top_3", "top_1_any", "macro_f1", "log_loss")
            ),
            f"{scores['ece']:.3f}",
            "" if isnan(scores["coverage"]) else f"{scores['coverage']:.3f} of {scores['set_size']:.1f}",
            f"{run.fit_seconds:.1f} s, {run.peak_mb:,.0f} MB",
        )
    for name, figures in published.items():
        keys = ("top_1", "top_3", "top_1_any", "macro_f1")
        cells = [f"{figures[key]:.3f}" if key in figures else "" for key in keys]
        table.add_row(f"{name}\nas published\nby the study", *cells, style="dim")
    console.print(table)
    for note in dict.fromkeys(note for run in runs for note in run.notes):
        console.print(f"  {note}", highlight=False)
    console.print(
        "Recorded in ml.model_runs of the warehouse. To publish a model: song-genres run --model NAME --features …",
        highlight=False,
    )
