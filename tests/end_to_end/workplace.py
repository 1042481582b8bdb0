"""A working folder in which the documented commands are played in this process, on small data, with a quick model.

Belongs here: the commands, the dumps they are given, and looking at what they left. Not here: what must hold of it.
Each takes seconds less than in a process of its own, so that many sequences can be tried.
"""

import csv
import html
import random
import re
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from typer.testing import CliRunner

from extract.sandbox.catalogue import Catalogue, build_catalogue
from extract.settings import CrawlOptions
from extract.sources import extract
from orchestration.assets.model import TrainConfig
from orchestration.cli import app
from orchestration.resources import Warehouse, warehouse_resource
from orchestration.training import predict, train
from tests.conftest import ROOT, made_up_song
from warehouse.progress import ignore
from warehouse.publication import publish

SANDBOX_GENRES = ("Classical", "Death Metal")
MODEL = "logistic"


@cache
def catalogue() -> Catalogue:
    """A small sandbox. Artists play in several genres, so it has more than the two that are crawled and told apart."""
    others = ("Bossa Nova", "Celtic", "Country", "Disco", "Dub", "Opera", "Polka", "Techno")
    return build_catalogue(listings=4_000, only=(*SANDBOX_GENRES, *others))


def songs(genres: Sequence[str], *, artists: int = 24, each: int = 3, alike: bool = False) -> list[dict[str, Any]]:
    """Songs of `artists` artists per genre, `each` by each. Genres differ in loudness, unless they are `alike`."""
    draw = random.Random(2)
    return [
        made_up_song(draw, genre, artist, number, loudness=-12.0 if alike else -24.0 + 8 * place, spread=1.0)
        | {"popularity": draw.randrange(100)}
        for place, genre in enumerate(genres)
        for artist in range(artists)
        for number in range(each)
    ]


TIDYTUESDAY = {
    "spotify_track_id": "track_id", "song_name": "track_name", "artist_name": "track_artist",
    "popularity": "track_popularity", "genre": "playlist_genre",
}  # fmt: skip
"""Our column -> that of TidyTuesday's dump, which has no time signature."""


def write_songs(path: Path, rows: Sequence[dict[str, Any]], *, tidytuesday: bool = False) -> Path:
    """A CSV of the songs, in the study's layout or in TidyTuesday's."""
    if tidytuesday:
        rows = [{TIDYTUESDAY.get(name, name): row[name] for name in row if name != "time_signature"} for row in rows]
        rows = [row | {"playlist_subgenre": "", "track_album_name": ""} for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


class Dbt:
    """dbt in this process, with the project parsed once."""

    def __init__(self, target: Path) -> None:
        self._options = [
            "--quiet", "--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target-path", str(target),
            "--log-path", str(target),
        ]  # fmt: skip
        # Of a file of the very name that the workplaces have: DuckDB calls the database by it, and so do the models.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WAREHOUSE_PATH", str(target / "warehouse.duckdb"))
            self._manifest = self._invoke(dbtRunner(), "parse").result

    def build(self) -> bool:
        """`dbt build` of the warehouse that WAREHOUSE_PATH names; fails, and says at what, unless all went well."""
        # A copy: dbt writes what it compiles into the manifest, and would not compile an ephemeral model a second time.
        runner = dbtRunner(manifest=self._manifest.deepcopy())
        result = self._invoke(runner, "build", "--exclude-resource-type", "unit_test", "--no-write-json")
        fine = ("success", "pass", "warn", "no-op")
        wrong = [f"{each.node.name}: {each.message}" for each in result.result or [] if each.status not in fine]
        assert result.success, "\n".join(wrong)
        return True

    def _invoke(self, runner: dbtRunner, *arguments: str) -> Any:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")  # dbt's own, of what it is built with
            result = runner.invoke([*arguments, *self._options])
        DuckDBConnectionManager.close_all_connections()  # it keeps the file open, for a process is to end with it
        if result.exception is not None:
            raise result.exception
        return result


class Workplace:
    """A folder with a warehouse, and the commands. Make it the working directory with `entered`."""

    def __init__(self, folder: Path, dbt: Dbt) -> None:
        self.folder, self._dbt = folder, dbt

    def entered(self, patch: pytest.MonkeyPatch) -> "Workplace":
        """The same, as the working directory until `patch` is undone; its sandbox is small."""
        self.folder.mkdir(parents=True, exist_ok=True)
        patch.chdir(self.folder)
        patch.setenv("WAREHOUSE_PATH", str(self.folder / "warehouse.duckdb"))
        patch.setenv("PUBLISHED_PATH", str(self.folder / "published.duckdb"))
        patch.setenv("COLUMNS", "200")
        patch.setattr("extract.sandbox.catalogue.build_catalogue", catalogue)
        return self

    def song_genres(self, *arguments: str) -> Result:
        """A command of the console script. What it refuses, it refuses in a sentence."""
        result = CliRunner().invoke(app, list(arguments))
        if result.exit_code:
            assert isinstance(result.exception, SystemExit), (arguments, result.exception)
            assert result.exit_code == 1, (arguments, result.output)
            assert result.stderr.startswith("Error:"), (arguments, result.output)
            assert len(result.stderr.splitlines()) <= 4, (arguments, result.output)
        return result

    def crawl(self, *genres: str, hits: int = 20, refresh: str = "") -> Result:
        """`song-genres extract --input sandbox`."""
        chosen = [option for genre in genres for option in ("--genre", genre)]
        return self.song_genres("extract", "-i", "sandbox", *chosen, "--limit", str(hits), "--refresh", refresh)

    def dbt_build(self) -> bool:
        """`dbt build`, without unit tests."""
        return self._dbt.build()

    def train_job(self, model: str = MODEL, *, predict: bool = True) -> None:
        """The job `train`: what Dagster's step does, without Dagster."""
        config = TrainConfig(model=model, protocol_models=["knn"])
        list(train(config, self.resource, ignore))
        if predict:
            self.predict_job()

    def predict_job(self) -> None:
        """The predictions alone."""
        list(predict(self.resource, ignore))

    def run(self, source: str = "auto", *, model: str = MODEL, **options: Any) -> None:
        """The job `everything`: its steps in order, without Dagster; ends well or raises."""
        if source in ("auto", "sandbox"):
            options = {"genres": SANDBOX_GENRES, "hits_per_genre": 20} | options
        extract(source, self.warehouse, options=CrawlOptions(**options))
        assert self.dbt_build()
        self.train_job(model)
        publish()
        for command in ("report", "export"):
            assert self.song_genres(command).exit_code == 0

    @property
    def resource(self) -> Warehouse:
        """What Dagster would hand its steps."""
        return warehouse_resource()

    @property
    def warehouse(self) -> Path:
        """The file that runs write."""
        return self.folder / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The copy that people read."""
        return self.folder / "published.duckdb"

    def read(self, sql: str, parameters: Sequence[object] = (), *, file: Path | None = None) -> list[tuple[Any, ...]]:
        """Rows of the published copy, or of another file."""
        with duckdb.connect(str(file or self.published), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    @property
    def page(self) -> str:
        """The report's words: without scripts, styles and tags, blanks folded."""
        text = (self.folder / "reports" / "index.html").read_text(encoding="utf-8")
        text = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
