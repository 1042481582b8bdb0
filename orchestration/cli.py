"""The console script `song-genres`: the assets' verbs for someone who wants no web interface.

Belongs here: arguments, progress on the screen, and what is printed at the end. Not here: any work of its own.
Dagster, dbt and scikit-learn take seconds to import, so each command imports what it needs.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from extract import landing, warehouse
from extract.dumps import DumpError, import_dump
from extract.fetch import FetchError
from extract.sources import import_or_fetch

app = typer.Typer(
    help="Can a song's genre be predicted from how it sounds? Lands Spotify documents, cleans them, trains, reports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its frames of Dagster and dbt would fill screens, and minutes
)
console = Console()
errors = Console(stderr=True)

SONGS_SHOWN = 20
STAGES = {
    "raw_documents": "extract",
    "dbt_models": "transform and test",
    "genre_model": "train and evaluate",
    "ml__genre_predictions": "predict",
    "report__published_database": "publish",
    "report__page": "report",
}
"""The run's steps in order, by Dagster's name, with the reader's word for each."""


class ScreenProgress:
    """A Rich progress line a stage; call it as an `extract.progress.Progress`."""

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
def _screen_progress() -> Iterator[ScreenProgress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        yield ScreenProgress(progress)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What a user can cause is told in a sentence, without a traceback, and ends with exit code 1."""
    from ml.dataset import ModelError

    try:
        yield
    except (
        DumpError,
        FetchError,
        landing.UnknownDataset,
        warehouse.WarehouseLocked,
        warehouse.WarehouseMissing,
        ModelError,
    ) as error:
        errors.print(f"[red bold]Error:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


@app.command()
def run(
    source: Annotated[
        str,
        typer.Option(
            "--input", "-i", help="sandbox, spotify, the path of a dump, or a published dump's name (tidytuesday)."
        ),
    ] = "sandbox",
) -> None:
    """Run every asset, from the documents to the report, and print what came out."""
    with console.status("Starting Dagster and dbt …"):
        import dagster as dg

        from orchestration.definitions import definitions
        from orchestration.resources import ROOT, warehouse_resource

    started = time.perf_counter()
    # dbt tells every model and test to standard output: worth keeping, but not between the progress lines.
    log = Path("logs/run.log")
    log.parent.mkdir(exist_ok=True)
    with _plain_errors(), _screen_progress() as progress, log.open("w") as words, redirect_stdout(words):
        job = definitions(progress).resolve_implicit_global_asset_job_def()
        with dg.DagsterInstance.from_config(str(ROOT)) as instance:
            result = job.execute_in_process(
                instance=instance,
                run_config={
                    "ops": {"raw_documents": {"config": {"source": source}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    seconds = {
        STAGES[event.step_key]: event.step_success_data.duration_ms / 1000
        for event in result.all_events
        if event.is_step_success and event.step_key in STAGES
    }
    seconds["everything"] = time.perf_counter() - started
    _print_summary(warehouse_resource().connect_published(), seconds)


def _print_summary(connection: duckdb.DuckDBPyConnection, seconds: dict[str, float]) -> None:
    """The table at a run's end, from the published copy."""
    with connection:
        dataset, synthetic, listings, clean, genres = connection.execute(
            """
            select any_value(dataset), any_value(is_synthetic), max(rows_after), min(rows_after),
                (select count(distinct genre) from marts.clean_tracks)
            from marts.cleaning_audit
            """
        ).fetchone()  # type: ignore[misc]
        model = connection.execute(
            """
            select model, top_1, top_3, macro_f1, n_test from ml.model_runs
            where dataset = ? and (is_published or is_baseline)
            order by is_baseline, created_at desc
            """,
            [dataset],
        ).fetchall()
    label = " (synthetic)" if synthetic else ""
    table = Table(title=f"song-genres: {dataset}{label}", show_header=False, title_justify="left")
    table.add_row("listings", f"{listings:,}{label}")
    table.add_row("clean tracks", f"{clean:,}{label}")
    table.add_row("genres", f"{genres:,}{label}")
    table.add_section()
    for name, top_1, top_3, macro_f1, n_test in model[:2]:
        table.add_row(
            f"{name}, {n_test:,} held-out tracks{label}",
            f"top-1 {top_1:.3f}   top-3 {top_3:.3f}   macro F1 {macro_f1:.3f}",
        )
    table.add_section()
    for stage, spent in seconds.items():
        table.add_row(stage, f"{spent:.1f} s")
    table.add_section()
    table.add_row("database", str(warehouse.published_path()))
    table.add_row("report", "reports/index.html")
    console.print(table)


@app.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV (also .gz), Parquet or JSON lines.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; the file's name by default.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="our_field=column, for a layout we do not know; repeat it.")
    ] = None,
) -> None:
    """Land a dump as raw documents and make it the active dataset."""
    pairs = [item.partition("=") for item in mapping or []]
    if bad := [field for field, equals, column in pairs if not (field and equals and column)]:
        raise typer.BadParameter(f"--map takes field=column, such as genre=style; got {bad[0]!r}")
    with _plain_errors(), _screen_progress() as progress:
        report = import_dump(
            file, warehouse.warehouse_path(), name=name,
            mapping={field: column for field, _, column in pairs}, progress=progress,
        )  # fmt: skip
    verb = "was landed already; nothing changed" if report.already_landed else f"landed {report.listings:,} listings"
    console.print(f"Dataset [bold]{report.dataset}[/] ({report.layout} layout): {verb}. It is the active one now.")
    if report.problem_rows:
        console.print(f"{report.problem_rows:,} rows cannot be used; they are landed and will be rejected. The first:")
        for problem in report.problems:
            console.print(f"  {problem}", highlight=False)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A published dump's name, such as tidytuesday.")]) -> None:
    """Download a published dump, check it and land it."""
    with _plain_errors(), _screen_progress() as progress:
        report = import_or_fetch(name, warehouse.warehouse_path(), progress=progress)
    console.print(f"Dataset [bold]{report.dataset}[/]: {report.listings:,} listings. It is the active one now.")


@app.command()
def use(name: Annotated[str, typer.Argument(help="A dataset that has been landed.")]) -> None:
    """Make a landed dataset the active one: the next run builds from it."""
    with _plain_errors(), warehouse.connect(warehouse.warehouse_path()) as connection:
        landing.use(connection, name)
    console.print(f"[bold]{name}[/] is the active dataset now. Rebuild with `dbt build`, or `make dev`.")


@app.command()
def datasets() -> None:
    """List the datasets that have been landed."""
    with _plain_errors(), warehouse.connect(warehouse.warehouse_path(), read_only=True) as connection:
        found = connection.execute(
            """
            select dataset, source, is_synthetic, is_active, count(listing_id) as listings
            from raw.datasets left join raw.tracks using (dataset, source) group by all order by all
            """
        ).fetchall()
    table = Table("dataset", "source", "listings", "")
    for dataset, source, synthetic, active, listings in found:
        marks = ", ".join(word for word, applies in (("active", active), ("synthetic", synthetic)) if applies)
        table.add_row(dataset, source, f"{listings:,}", marks)
    console.print(table)


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="Songs to score: CSV, Parquet or JSON lines with the audio features.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write CSV or Parquet here.")] = None,
    model: Annotated[Path | None, typer.Option(help="A model file; that of the published run by default.")] = None,
) -> None:
    """Score songs: the five likeliest genres of each, with probabilities."""
    from ml.prediction import load, predict_songs, published_model_path, read_songs, write_songs

    with _plain_errors():
        if model is None:
            with warehouse.connect(warehouse.published_path(), read_only=True) as connection:
                model = published_model_path(connection)
        fitted = load(model)
        songs = predict_songs(fitted, read_songs(file))
        if output:
            write_songs(songs, output)
            console.print(f"{len(songs):,} songs scored into {output}")
            return
    label = ", a model of synthetic data" if fitted.is_synthetic else ""
    table = Table("song", *(f"{rank}" for rank in range(1, 6)), "missing", title=f"{fitted.run_id}{label}")
    for number, song in enumerate(songs.head(SONGS_SHOWN).to_dict("records"), start=1):
        name = next((song[key] for key in ("song_name", "track_name", "name") if song.get(key)), f"song {number}")
        guesses = [
            f"{song[f'genre_{rank}']} {song[f'probability_{rank}']:.2f}" if f"genre_{rank}" in song else ""
            for rank in range(1, 6)
        ]
        table.add_row(str(name), *guesses, song["missing_features"])
    console.print(table)
    if len(songs) > SONGS_SHOWN:
        console.print(f"The first {SONGS_SHOWN} of {len(songs):,} songs; all of them with --output FILE.")


@app.command()
def report() -> None:
    """Make the report anew from the published copy."""
    from ml.report import build_report

    with _plain_errors():
        with warehouse.connect(warehouse.published_path(), read_only=True) as connection:
            result = build_report(connection, Path("reports"))
        for sentence in result.missing:
            errors.print(f"[yellow]Missing:[/] {sentence}", highlight=False)
        console.print(f"{result.path} ({len(result.charts)} charts)")


if __name__ == "__main__":
    sys.exit(app())
