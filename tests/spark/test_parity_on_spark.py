"""The same dbt project gives the same marts on Spark as on DuckDB, row for row."""

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from extract.dumps import import_dump
from extract.song_files import ReadingOptions
from tests.conftest import ROOT, SHARED_DATA
from tests.dbt_project.mangled_documents import MANGLED, land_mangled, mangled_listings
from tests.dbt_project.study_listing import land_listing, make_listing
from tests.extract.fma_archive import fma_archive
from tests.spark.conftest import Engines
from warehouse import files
from warehouse.raw import active_dataset, land, rows

TIDYTUESDAY = SHARED_DATA / "tidytuesday_spotify_songs.csv"
TOLERANCE = 1e-9
QUOTED = re.compile(r'is "[{[].*?", not a', re.DOTALL)

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pyspark's pipe to the JVM
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # dbt, called as a library
]

BuildOnBoth = Callable[..., Engines]


def comparable(value: object) -> object:
    """Objects and lists that stand where text belongs, which Spark writes in its own way (docs/spark.md).

    As a value they are what they say; quoted (and cut) in a reason they are left out.
    """
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(value, parse_constant=str))
        except json.JSONDecodeError:
            return value
    return QUOTED.sub('is "…", not a', value)


def assert_equal(engines: Engines, at_least: int = 11) -> None:
    """Every mart is equal on both engines: texts, whole numbers, moments exactly, doubles within the tolerance."""
    assert len(engines.marts()) >= at_least
    for mart in engines.marts():
        exact, of_duckdb, of_spark = engines.rows(mart)
        keys = (*([tuple(map(comparable, row[:exact])) for row in side] for side in (of_duckdb, of_spark)),)
        if keys[0] != keys[1]:
            differing = [(one, other) for one, other in zip(*keys, strict=False) if one != other][:3]
            raise AssertionError(f"{mart}: {len(keys[0])} rows on DuckDB, {len(keys[1])} on Spark; {differing}")
        for one, other in zip(of_duckdb, of_spark, strict=True):
            for left, right in zip(one[exact:], other[exact:], strict=True):
                same = left == right or (
                    isinstance(left, float)
                    and isinstance(right, float)
                    and math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
                )
                assert same, (mart, one, other)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, folder: Path, build_on_both: BuildOnBoth) -> Engines:
    """`dbt build` of a listing of the study's proportions, whose raw Parquet was repartitioned at random.

    Where the clean tracks are to be lies a file that a killed run left.
    """
    left_behind(folder).parent.mkdir(parents=True)
    left_behind(folder).write_text("half a file")
    path = tmp_path_factory.mktemp("study") / "warehouse.duckdb"
    with files.connect(path) as connection:
        make_listing(connection, 20_000)
        land_listing(connection, "crawl")
    return build_on_both(path, "build", shuffle=True)


def test_the_studys_listing_gives_the_same_marts_from_any_partitions(study: Engines) -> None:
    """Guards against a first listing chosen by where its row lies, and against an engine that counts otherwise."""
    assert_equal(study)
    assert len(study.rows("clean_tracks")[2]) == 12_006


def test_a_tree_of_genres_gives_the_same_marts(build_on_both: BuildOnBoth, tmp_path: Path) -> None:
    """Guards against a tree on one engine alone, and a feature that is unknown on one and invalid on the other."""
    path = tmp_path / "warehouse.duckdb"
    import_dump(fma_archive(tmp_path / "fma.zip"), path, options=ReadingOptions(all_genres=True))
    engines = build_on_both(path)
    assert_equal(engines)
    assert len(engines.rows("genre_tree")[2]) == len(engines.rows("clean_tracks")[2]) == 4


def test_what_a_killed_run_left_is_replaced(study: Engines, folder: Path) -> None:
    """Guards against LOCATION_ALREADY_EXISTS after kill -9, and against rows of the killed run among the new ones."""
    assert study.marts()
    assert not left_behind(folder).exists()


def left_behind(folder: Path) -> Path:
    return folder / "spark" / "marts.db" / "clean_tracks" / "part-00000.parquet"


def test_nothing_is_left_in_the_projects_root(study: Engines) -> None:
    """Guards against Derby's and Spark's habit of writing where they were started."""
    assert study.marts()
    left = {path.name for path in ROOT.iterdir()} & {"metastore_db", "derby.log", "spark-warehouse", "artifacts"}
    assert left == set()


GOOD = (
    '"danceability": 0.5, "key": 1, "loudness": -7.5, "mode": 1, "speechiness": 0.05, "acousticness": 0.1, '
    '"instrumentalness": 0, "liveness": 0.2, "valence": 0.4, "duration_ms": 200000, "time_signature": 4'
)
ENERGY_AND_TEMPO = [
    ("0.5", "120.0"), ("1.00001", "9.999"), ("-0.00001", "1e-5"), ("1e16", "0.0001"), ("0.30000000000000004", "5E-324"),
    ('"loud"', "120"), ("0.1", '"1_000"'), ("1e999", "120"), ("NaN", "-Infinity"), ('"inf"', '"nan"'), ("[1]", "{}"),
    ("true", '"120"'), ("null", "120"), ("0.5", "1.5e2"), ("12345678.9", "300.5"), ("-0.0", "-0.0"), ('"1d"', "120"),
    ('" 0.5 "', '"+120."'), ('"0x1p3"', '".5e3"'), ("0.5", '120, "uri": 1, "uri": 2'), ("0.5", '120, "mode": 0'),
    ("123456789012345678901234567890", "7.0E-10"), ("0.5", '"1e400"'),
]  # fmt: skip
KEYS = ["4.0", "4.5", "12", "1e0", "2.50", '"3"', "-1", '"x"', "1e-5", "99999999999", "[1, 2.50]", '{"a" : "b"}']
FEATURES = [
    *("{" + GOOD + f', "energy": {energy}, "tempo": {tempo}' + "}" for energy, tempo in ENERGY_AND_TEMPO),
    *("{" + GOOD.replace('"key": 1', f'"key": {key}') + ', "energy": 0.5, "tempo": 120}' for key in KEYS),
    '{"energy": 0.5', "null", " null ", "", "[]", "[1, 2]", "5", '"text"', "{} x", "{}{}", "<html>", "{'energy': 1}",
    '{"energy":\t0.5}', '{"energy": 0.5, "name": "\\ud800"}', '{"energy": 01}', "\ufeff{}", '{"energy": 0.5}}',
]  # fmt: skip
TRACKS = [
    '{"id": "ID", "name": "Ünï \\"q\\" \\ud83c\\udfb5 🎵", "artists": [{"id": "x", "name": "X"}, {"id": "y"}]}',
    '{"id": "", "name": 99, "popularity": "high"}', '{"id": "\\u00a0", "name": "blank id"}', "[1, 2]", "not json",
    '{"id": "a", "id": "b"}', '{"id": "a", "\\u0069d": "b"}', '{"id": "ID", "artists": "nobody"}',
    '{"id": "ID", "artists": [1, "x", null, [2], {"id": null}, {"name": 7, "id": " "}, {"id": "z", "name": "Z"}]}',
    '{"id": "ID", "artists": [{"id": "first", "id": "second"}], "album": {"id": "b", "id": "c"}}',
    '{"id": "ID", "name": 1.5e-7, "artists": []}', '{"id": "ID", "name": true, "artists": {"id": "q"}}', None,
    '{"id": ["ID", 2.0], "name": {"a": 1.50}}', '{"id": "ID", "name": "\\\\ud800 is no character"}', '{"name": "x"}',
    '{"id": "ID"} trailing', '{"id": "ID", "duration_ms": 9007199254740993, "popularity": 12.0}', '{"ID": "other"}',
    '{"id": "ID", "name": null}', "null",
]  # fmt: skip
GENRES = [
    "Ska", "Hip-Hop/Rap", "🎵", "50% off = ?", "1950", "", None, "with space ", "x" * 300, "__HIVE_DEFAULT_PARTITION__",
]  # fmt: skip
DOCUMENTS = [(track, FEATURES[0]) for track in TRACKS for _ in GENRES] + [(TRACKS[0], one) for one in FEATURES]


@pytest.fixture(scope="module")
def real_and_mangled(tmp_path_factory: pytest.TempPathFactory, build_on_both: BuildOnBoth) -> Engines:
    """`dbt run` of TidyTuesday's listings, where they are, and after them of documents that went wrong: one build."""
    path = tmp_path_factory.mktemp("real_and_mangled") / "warehouse.duckdb"
    if TIDYTUESDAY.exists():
        import_dump(TIDYTUESDAY, path, name="tidytuesday")
    with files.connect(path) as connection:
        dataset = active_dataset(connection) or MANGLED
    land_mangled(path, mangled_listings(500), dataset)
    with files.connect(path) as connection:
        land(connection, dataset, {
            "tracks": rows("tracks", (
                {"listing_id": n, "track_id": f"by hand {n}", "genre": GENRES[n % len(GENRES)], "artist_name": "Asked",
                 "payload": track and track.replace("ID", f"id{n % 40}")}
                for n, (track, _) in enumerate(DOCUMENTS, 1)
            )),
            "audio_features": rows("audio_features", (
                {"track_id": f"by hand {n}", "payload": features} for n, (_, features) in enumerate(DOCUMENTS, 1)
            )),
        })  # fmt: skip
    return build_on_both(path)


def test_real_and_mangled_documents_give_the_same_marts(real_and_mangled: Engines) -> None:
    """Guards against a document that one engine reads and the other rejects, or rejects with other words.

    And against real names, genres and numbers that the two engines read or count otherwise.
    """
    assert_equal(real_and_mangled)
    with files.connect(real_and_mangled.on_duckdb, read_only=True) as connection:
        ((rejected,),) = connection.execute(
            """
            select count(*) from marts.rejected_listings where listing_id in (
                select listing_id from raw.tracks where track_id like 'asked-%' or track_id like 'by hand %'
            )
            """
        ).fetchall()
    assert rejected > 200


def test_tidytuesdays_clean_tracks_are_the_known_ones(tidytuesday: Path, real_and_mangled: Engines) -> None:
    """Guards against a comparison of two engines that were given something else."""
    with tidytuesday.open(newline="", encoding="utf-8") as file:
        listings = sum(1 for _ in csv.DictReader(file))
    with files.connect(real_and_mangled.on_duckdb, read_only=True) as connection:
        real = "select count(*) from marts.clean_tracks where listing_id <= ?"
        assert connection.execute(real, [listings]).fetchall() == [(28_355,)]
