"""The console script `song-genres`: the assets' verbs for someone who wants no web interface.

Belongs here: the commands and their options. Not here: what they print (screens.py), and any work of their own.
Dagster, dbt and scikit-learn take seconds to import, so each command imports what it needs.
"""

import io
import sys
import time
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from orchestration.failures import is_suspended, told_as
from orchestration.progress import errors, run_progress, screen_progress
from orchestration.readings import FileReading
from orchestration.screens import (
    SONGS_SHOWN,
    STAGES,
    console,
    print_active_dataset,
    print_cleaning,
    print_datasets,
    print_difference,
    print_export,
    print_extraction,
    print_import,
    print_publication,
    print_reading,
    print_runs,
    print_sandbox,
    print_songs,
    print_summary,
    print_tally,
)
from warehouse import files, raw

if TYPE_CHECKING:
    from extract.song_files import ReadingOptions

app = typer.Typer(
    help="Can a song's genre be predicted from how it sounds? Land Spotify documents, clean them, train, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its frames of Dagster and dbt would fill screens, and minutes
)
SUSPENDED = 75
"""The exit code of a crawl that stopped in good order: sysexits' EX_TEMPFAIL, try again later."""


@app.callback()
def prepare_screen() -> None:
    """Can a song's genre be predicted from how it sounds? Land Spotify documents, clean them, train, report."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal in Latin-1 or ASCII lacks letters that titles have
            stream.reconfigure(errors="replace")


def _plain_errors() -> AbstractContextManager[None]:
    """What a user can cause is told in a sentence, without a traceback, and ends with exit code 1."""
    return told_as(_exit)


def _exit(words: str, error: Exception) -> typer.Exit:
    """Print what happened; returns the end of the command."""
    suspended = is_suspended(error)
    label = "[yellow bold]Suspended:[/]" if suspended else "[red bold]Error:[/]"
    errors.print(f"{label} {escape(words)}", highlight=False, markup=True, soft_wrap=True)
    return typer.Exit(SUSPENDED if suspended else 1)


Source = Annotated[
    str,
    typer.Option(
        "--input",
        "-i",
        help="What to read: the path of a song file, the name of a published dump (tidytuesday or fma) or of a landed "
        "dataset, sandbox, or spotify. By default the active dataset, or the sandbox if nothing has been landed.",
    ),
]
Genres = Annotated[
    list[str] | None,
    typer.Option("--genre", "-g", help="A genre to crawl; repeatable. By default the study's 132."),
]
GenresFile = Annotated[
    Path | None,
    typer.Option("--genres", help="A file of genres, one per line; a comma and a limit of hits may follow."),
]
Limit = Annotated[int | None, typer.Option("--limit", help="The most search hits to take per genre, 1 to 1,000.")]
RefreshOption = Annotated[
    str, typer.Option("--refresh", help="Ask again, for popularity or for all; the answers become new rows.")
]
Pace = Annotated[
    int | None, typer.Option("--requests-per-window", help="The most requests in any 30 s [Spotify: 150].")
]
BudgetOption = Annotated[
    int | None, typer.Option("--request-budget", help="Stop in good order after this many requests.")
]
SONG_FILE = "CSV, JSON, Parquet or .xlsx, also packed (.zip, .gz, .bz2, .xz), or a folder of them (docs/files.md)."
MappingOption = Annotated[
    list[str] | None,
    typer.Option("--map", help="field=column, for a column that is not recognised, such as genre=style; repeatable."),
]
UnitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        help="field=unit, where a column's values do not tell: duration=s (or ms, min, clock), energy=percent (or "
        "share). For artist_name and genre, it is what separates several in a cell: genre=/. Repeatable.",
    ),
]
AllGenres = Annotated[
    bool, typer.Option("--all-genres", help="Make a listing for each genre in a cell, and not only for the first.")
]
MergeGenres = Annotated[
    bool, typer.Option("--merge-genres", help="Treat genres that differ only in case, spaces and marks as one.")
]
PerDay = Annotated[
    int | None, typer.Option("--per-day", help="The most requests in any 24 hours, over several runs if need be.")
]
MaxWait = Annotated[float | None, typer.Option("--max-wait", help="Seconds; a longer wait suspends the crawl [900].")]
ModelName = Annotated[
    str, typer.Option(help="prior, knn, logistic, study_forest, forest, lightgbm, mlp or ensemble (ml/estimators.py).")
]
FEATURES = "What the model learns from: any of audio, title, year and album, joined by +"
Seed = Annotated[int, typer.Option(help="The seed of the split and of the model; 538 is the study's.")]


def _crawl_config(source: str, genres: list[str] | None, file: Path | None, **settings: Any) -> dict[str, Any]:
    """The source and the fields of `CrawlOptions` that were given, as `ExtractConfig` takes them."""
    found: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    limits: dict[str, int | None] = dict.fromkeys(genres or [])
    if file:
        from extract.settings import read_genres

        limits |= read_genres(file)
    return found | {"source": source, "genres": limits}


def _reading(
    mapping: list[str] | None, units: list[str] | None, *, all_genres: bool = False, merge_genres: bool = False
) -> "ReadingOptions":
    """What --map and the options beside it say of a file."""
    from extract.song_files import ReadingOptions, SongFileError

    try:
        return ReadingOptions.of_texts(mapping, units, all_genres=all_genres, merge_genres=merge_genres)
    except SongFileError as error:
        raise typer.BadParameter(str(error)) from None


def _active_dataset() -> raw.Dataset | None:
    """The dataset that a run without --input goes on with, None where nothing was landed."""
    if not files.warehouse_path().exists():
        return None
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        return raw.active_dataset(connection)


@app.command()
def run(
    source: Source = "auto",
    genres: Genres = None,
    genres_file: GenresFile = None,
    limit: Limit = None,
    refresh: RefreshOption = "",
    requests_per_window: Pace = None,
    request_budget: BudgetOption = None,
    per_day: PerDay = None,
    max_wait: MaxWait = None,
    mapping: MappingOption = None,
    unit: UnitOption = None,
    all_genres: AllGenres = False,
    merge_genres: MergeGenres = False,
    model: ModelName = "ensemble",
    features: Annotated[str, typer.Option(help=f"{FEATURES}.")] = "audio",
    seed: Seed = 538,
    refit: Annotated[bool, typer.Option("--refit", help="Fit the models again even if nothing has changed.")] = False,
) -> None:
    """Do everything, from the raw documents to the report, and print the figures."""
    from extract.sources import require_source

    with _plain_errors():
        config = _crawl_config(
            source, genres, genres_file, hits_per_genre=limit, refresh=refresh,
            requests_per_window=requests_per_window, request_budget=request_budget, per_day=per_day, max_wait=max_wait,
        ) | asdict(_reading(mapping, unit, all_genres=all_genres, merge_genres=merge_genres))  # fmt: skip
        if source == "auto":
            print_active_dataset(_active_dataset())
        require_source(source, files.warehouse_path())
    started = time.perf_counter()
    # dbt tells every model and test to standard output: worth keeping, but not between the progress lines.
    log = Path("logs/run.log")
    with _plain_errors(), run_progress() as progress:
        progress("starting Dagster and dbt", 0, None)
        from ml.estimators import make_estimator
        from ml.summary import summarise
        from orchestration.definitions import run_everything

        make_estimator(model, features=features, seed=seed)  # an unknown name is told now, and not after the crawl
        log.parent.mkdir(exist_ok=True)
        with log.open("w") as words, redirect_stdout(words):
            trained = {"model": model, "features": features, "seed": seed, "refit": refit}
            result = run_everything({"raw_documents": config, "genre_model": trained}, progress)
    seconds = {STAGES[step]: spent for step, spent in result.seconds.items() if step in STAGES}
    seconds["everything"] = time.perf_counter() - started
    with _plain_errors():
        with files.connect(files.published_path(), read_only=True) as connection:
            summary = summarise(connection)
        if summary.build.dataset != result.dataset:
            raise files.WarehouseError(
                f"While {result.dataset} was made, another process made {summary.build.dataset} the active dataset, so "
                "that is what was published. When the other has ended, run the same again."
            )
        if summary.model.finding:  # the answer comes first
            console.print(summary.model.finding, style="bold", highlight=False, soft_wrap=True)
        if result.reading:
            print_reading(result.reading)
        if result.suspended:
            unfinished = f"[yellow bold]Not all is known yet.[/] {escape(result.suspended)}"
            console.print(unfinished, markup=True, soft_wrap=True)
        library = Path("reports/library.html")  # there for a list of songs, and then what is looked for
        print_summary(
            summary, seconds, recalled=result.recalled, database=files.published_path().absolute(),
            report=(library if library.exists() else Path("reports/index.html")).absolute(),
        )  # fmt: skip


@app.command()
def extract(
    source: Source = "auto",
    tracks: Annotated[
        Path | None,
        typer.Option("--tracks", help="A list of songs: ids or links, Exportify's file, Spotify's account data."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --tracks: the dataset's name; the file's by default.")] = None,
    genres: Genres = None,
    genres_file: GenresFile = None,
    limit: Limit = None,
    refresh: RefreshOption = "",
    requests_per_window: Pace = None,
    request_budget: BudgetOption = None,
    per_day: PerDay = None,
    max_wait: MaxWait = None,
    mapping: MappingOption = None,
    unit: UnitOption = None,
) -> None:
    """Land a source's documents and nothing more; a stopped crawl goes on with the same command."""
    from extract.settings import CrawlOptions
    from extract.sources import extract as extract_source
    from extract.sources import extract_songs

    with _plain_errors():
        config = _crawl_config(
            source, genres, genres_file, hits_per_genre=limit, refresh=refresh,
            requests_per_window=requests_per_window, request_budget=request_budget, per_day=per_day, max_wait=max_wait,
        )  # fmt: skip
        source, options, reading = config.pop("source"), CrawlOptions(**config), _reading(mapping, unit)
        with screen_progress() as progress:
            if tracks:
                extraction = extract_songs(
                    tracks, files.warehouse_path(), name=name, options=options, reading=reading, progress=progress
                )
            else:
                extraction = extract_source(
                    source, files.warehouse_path(), options=options, reading=reading, progress=progress
                )
    print_extraction(extraction)
    if extraction.suspended:
        raise typer.Exit(SUSPENDED)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.")] = 8750,
    tier: Annotated[
        str, typer.Option(help="The app that is served: extended (an old one) or development (a new one).")
    ] = "extended",
    requests_per_window: Annotated[int, typer.Option(help="The rate limit: the most requests in any 30 s.")] = 150,
    listings: Annotated[int, typer.Option(help="The size of the synthetic catalogue.")] = 25_000,
) -> None:
    """Serve the synthetic catalogue as Spotify and ReccoBeats would, on this machine only, until interrupted."""
    from extract.sandbox.catalogue import build_catalogue
    from extract.sandbox.server import run_server

    try:
        run_server(
            build_catalogue(listings=listings), port=port, tier=tier, requests_per_window=requests_per_window,
            announce=lambda server: print_sandbox(server.address, tier),
        )  # fmt: skip
    except (KeyError, ValueError, OSError) as error:
        raise _exit(f"The sandbox cannot be served: {error}", error) from error


@app.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help=SONG_FILE)],
    name: Annotated[str | None, typer.Option(help="The dataset's name; the file's name by default.")] = None,
    mapping: MappingOption = None,
    unit: UnitOption = None,
    all_genres: AllGenres = False,
    merge_genres: MergeGenres = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how the file is read, and land nothing.")] = False,
) -> None:
    """Land a file of songs (a dump) as raw documents, and make it the active dataset."""
    from extract.dumps import import_dump, look_at_dump

    with _plain_errors(), screen_progress() as progress:
        options = _reading(mapping, unit, all_genres=all_genres, merge_genres=merge_genres)
        if dry_run:
            report = look_at_dump(file, files.warehouse_path(), name=name, options=options)
        else:
            report = import_dump(file, files.warehouse_path(), name=name, options=options, progress=progress)
    print_import(report, is_landed=not dry_run)


@app.command()
def clean(
    file: Annotated[Path, typer.Argument(help=SONG_FILE)],
    output: Annotated[Path, typer.Argument(help="The clean tracks to write: .csv (also .gz), .parquet or .jsonl.")],
    rejected: Annotated[
        Path | None, typer.Option("--rejected", help="Write the rejected listings here, each with its reason.")
    ] = None,
    mapping: MappingOption = None,
    unit: UnitOption = None,
    all_genres: AllGenres = False,
    merge_genres: MergeGenres = False,
) -> None:
    """Clean a file of songs into another file, by the warehouse's rules but without the warehouse."""
    from extract.cleaning import clean_dump
    from orchestration.builds import cleaning_models

    with _plain_errors(), screen_progress() as progress:
        options = _reading(mapping, unit, all_genres=all_genres, merge_genres=merge_genres)
        report = clean_dump(file, output, cleaning_models(), rejected=rejected, options=options, progress=progress)
    print_cleaning(report, output)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A published dump's name: tidytuesday or fma.")]) -> None:
    """Download a published dump, check its SHA-256, and land it."""
    from extract.sources import import_published

    with _plain_errors(), screen_progress() as progress:
        report = import_published(name, files.warehouse_path(), progress=progress)
    console.print(f"Dataset {report.dataset}: {report.listings:,} listings. It is the active one now.")


@app.command()
def use(name: Annotated[str, typer.Argument(help="A dataset that has been landed.")]) -> None:
    """Make a landed dataset the active one: the next run builds from it."""
    with _plain_errors(), files.connect(files.warehouse_path(), create=False) as connection:
        raw.use(connection, name)
    console.print(f"{name} is the active dataset now. Build and publish it with `song-genres run`.")


@app.command()
def datasets() -> None:
    """List the datasets that have been landed."""
    with _plain_errors():
        with files.connect(files.warehouse_path(), read_only=True) as connection:
            landed = raw.landed_datasets(connection)
        if not landed:
            raise files.WarehouseError("Nothing has been landed yet. Land a dump with `song-genres import FILE`.")
    print_datasets(landed)


@app.command()
def train(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model to fit; repeatable. By default those that the protocol compares."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help=f"{FEATURES}; by default audio, or what the study's protocol has."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="artist_grouped, study_2023_04 or study_2023_05 (ml/protocols.py).")
    ] = "artist_grouped",
    folds: Annotated[
        int, typer.Option(help="Only for artist_grouped. 1 is one split; with k splits, every track is held out once.")
    ] = 1,
    seed: Seed = 538,
) -> None:
    """Fit models on the clean tracks and print their held-out figures beside the study's; publishes nothing."""
    from ml.dataset import load_tracks
    from ml.protocols import find_protocol
    from ml.records import record, study_figures
    from ml.training import fit_job, jobs

    with _plain_errors():
        plan = find_protocol(protocol)
        with files.connect(files.warehouse_path(), read_only=True) as connection:
            tracks = load_tracks(connection)
        runs = []
        with screen_progress() as progress:
            wanted = jobs(tracks, protocol, models=model, features=features, folds=folds, seed=seed)
            for done, job in enumerate(wanted):
                progress(f"fitting {job.model}", done, len(wanted))
                runs.append(fit_job(tracks, job))
        with files.connect(files.warehouse_path()) as connection:
            for run in runs:
                record(connection, run, None, published=False)
            comparable = set(runs[0].genres) == set(plan.study_genres())
            published = study_figures(connection, protocol) if comparable else {}
    print_runs(runs, published)


@app.command()
def predict(
    file: Annotated[
        str,
        typer.Argument(metavar="IN", help=f"Songs with audio features, or - for standard input: {SONG_FILE}"),
    ],
    out: Annotated[
        str | None,
        typer.Argument(
            help="The file to write: .csv (also .gz), .parquet or .jsonl, or - for standard output. "
            "On Spark, a new folder."
        ),
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="The same as OUT.")] = None,
    model: Annotated[Path | None, typer.Option(help="The model's file; by default that of the published run.")] = None,
    file_format: Annotated[
        Literal["csv", "jsonl"] | None, typer.Option("--format", help="The format of standard input and output.")
    ] = None,
    engine: Annotated[
        Literal["local", "spark"],
        typer.Option(help="spark is for Parquet of any size, also at addresses that Spark knows."),
    ] = "local",
    mapping: MappingOption = None,
    unit: UnitOption = None,
) -> None:
    """Score songs: the five most probable genres of each, with probabilities, and a set that holds the right one.

    Added to the songs' own columns: genre_1 to genre_5 with probability_1 to probability_5; genre_set, the genres (with
    semicolons between them) among which the right one is nine times in ten, and genre_set_size, how many they are;
    missing_features and problems, what was unknown or could not be used; model and model_data. Nine times in ten is
    promised of songs like those by which the model was tested; of one genre it may be less.
    """
    from ml.predictions import published_model_path

    if out and output:
        raise typer.BadParameter("OUT is given twice, as an argument and as --output; give one.")
    output = out or output
    if engine == "spark" and (output in (None, "-") or file == "-" or file_format or mapping or unit):
        raise typer.BadParameter(
            "--engine spark takes IN, Parquet, and OUT, a new folder; no standard input or output, no --map or --unit."
        )
    with _plain_errors():
        if output and output != "-" and engine == "local":
            files.output_format(Path(output))
            files.require_another_file(Path(file), Path(output))
        if model is None:
            model = published_model_path(files.published_path())
        if engine == "spark" and output:
            from ml.spark import score_songs, session

            spark = session()
            with console.status("Spark checks and scores the songs …"):
                tally = score_songs(spark, model, file, output)
        else:
            from orchestration.songs import score_file

            with screen_progress() as progress:
                scored = score_file(
                    model, file, output, written_as=file_format, options=_reading(mapping, unit), shown=SONGS_SHOWN,
                    progress=progress,
                )  # fmt: skip
            reading = FileReading.of(scored.file, unknown=scored.unknown)
            print_reading(reading, errors, others="given back as they stand" if output else "not shown")
            if output is None:
                print_songs(scored)
            tally = scored.tally
    print_tally(tally, None if output == "-" else output)


@app.command()
def report(
    run_id: Annotated[
        str | None,
        typer.Option("--run", help="The run_id of the run to show; by default the published one."),
    ] = None,
    genres: Annotated[
        list[str] | None, typer.Option("--genre", help="Keep the charts by genre to this one; repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", file_okay=False, help="The folder to write.")] = Path("reports"),
) -> None:
    """Make the report anew from the published copy."""
    from ml.library import build_library
    from ml.report import build_report

    with _plain_errors():
        with files.connect(files.published_path(), read_only=True) as connection:
            result = build_report(connection, output, run_id=run_id, genres=genres or ())
            library = build_library(connection, output)
        for sentence in result.missing:
            errors.print(f"[yellow]Missing:[/] {escape(sentence)}", highlight=False, markup=True, soft_wrap=True)
        console.print(f"{result.path} ({len(result.charts)} charts)")
        if library:
            console.print(f"{library}: which genres these songs sound like")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8751,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but 127.0.0.1 lets other machines read and send files.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Serve a page to try a song: look for one, turn its knobs, drop a file. Reads the published copy alone."""
    from web.app import LOOPBACK, run_server

    if host not in LOOPBACK:
        errors.print(
            f"[yellow]Whoever reaches {escape(host)} can read the published songs and send files to be scored.[/] "
            "There is no password. Only on this machine: song-genres serve",
            highlight=False, markup=True, soft_wrap=True,
        )  # fmt: skip
    try:
        run_server(
            files.published_path(), host=host, port=port, opens_browser=browser,
            announce=lambda address: console.print(f"{address} (Ctrl+C ends it)", highlight=False, soft_wrap=True),
        )  # fmt: skip
    except OSError as error:
        raise _exit(
            f"The page cannot be served on {host}, port {port}: {error.strerror}. On any free port: "
            "song-genres serve --port 0", error,
        ) from error  # fmt: skip


@app.command()
def publish() -> None:
    """Replace the published copy by the warehouse, after a `dbt build` by hand in which every test passed."""
    from warehouse.publication import publish as publish_copy

    with _plain_errors(), console.status("Publishing …"):
        publication = publish_copy()
    print_publication(publication, files.published_path().absolute())


@app.command()
def diff() -> None:
    """Compare the warehouse with the published copy, mart by mart: what `song-genres publish` would change."""
    from warehouse.publication import difference

    with _plain_errors(), console.status("Comparing …"):
        found = difference()
    print_difference(found, files.published_path().absolute())


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write; by default exports/<dataset>.")
    ] = None,
) -> None:
    """Write the study's two CSVs and each mart as Parquet, from the published copy."""
    from warehouse.exports import export as export_marts

    with (
        _plain_errors(),
        files.connect(files.published_path(), read_only=True) as connection,
        screen_progress() as progress,
    ):
        written = export_marts(connection, output, progress=progress)
    print_export(written, "file")


@app.command()
def export_raw() -> None:
    """Write the active dataset's raw documents as Parquet, which `dbt build --target spark` reads (docs/spark.md)."""
    from warehouse.raw_export import export_raw as export_documents
    from warehouse.raw_export import raw_export_path
    from warehouse.spark import SparkUnavailable, require_spark

    with (
        _plain_errors(),
        files.connect(files.warehouse_path(), read_only=True) as connection,
        screen_progress() as progress,
    ):
        written = export_documents(connection, raw_export_path(), progress=progress)
    print_export(written, "table")
    try:
        require_spark()
        console.print("Now: dbt build --target spark")
    except SparkUnavailable as error:  # no failure: the files may be for another machine
        errors.print(
            f"[yellow]Spark cannot start on this machine:[/] {escape(str(error))}",
            highlight=False,
            markup=True,
            soft_wrap=True,
        )


@app.command()
def docs() -> None:
    """Write dbt's documentation of the warehouse to reports/warehouse.html: one file, for a browser."""
    with console.status("dbt reads the warehouse …"):
        from orchestration.resources import write_documentation

        with _plain_errors():
            page = write_documentation(Path("reports/warehouse.html"))
    console.print(str(page))


if __name__ == "__main__":
    sys.exit(app())
