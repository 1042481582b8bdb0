"""The report: made from what is there, saying what is missing and how to get it. In a browser: tests/end_to_end/."""

import csv
import html
import re
from pathlib import Path

import duckdb
import pytest

from ml.charts import CHARTS
from ml.charts.style import THEMES
from ml.dataset import ModelError, Tracks, load_tracks, split_by_artist
from ml.records import record
from ml.report import build_report
from ml.summary import summarise
from ml.training import fit
from ml.verdict import Verdict, record_verdict
from tests.ml.report_database import find, make_marts, some_tracks
from warehouse.publication import tracks_digest

HOSTILE = "</script><b>Punk & Jazz</b>"
"""A genre's name as a prankster would write it."""
GENRES = [HOSTILE, "1999", "Ambient", "Blues", "Dub", "Emo"]


@pytest.fixture(scope="module")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of six genres with a published run, a baseline, and a run by the study's protocol."""
    path = tmp_path_factory.mktemp("report") / "report.duckdb"
    tracks = some_tracks(GENRES)
    with duckdb.connect(str(path)) as connection:
        tracks = make_marts(connection, tracks)
        split = split_by_artist(tracks)
        record(connection, fit(tracks, model="prior", split=split), None, published=False)
        shown = fit(tracks, model="study_forest", split=split)
        record(connection, shown, None, published=True)
        record_verdict(connection, tracks, Verdict(shown.run_id))
        record(connection, fit(tracks, model="knn", protocol="study_2023_04"), None, published=False)
        find(connection, tracks)
    return path


@pytest.fixture
def trained(trained_file: Path, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A copy of it in memory, which a test may change."""
    connection.execute(f"attach '{trained_file}' as source (read_only)")
    connection.execute("copy from database source to memory")
    connection.execute("detach source")
    return connection


def only_marts(connection: duckdb.DuckDBPyConnection, tracks: Tracks) -> duckdb.DuckDBPyConnection:
    make_marts(connection, tracks)
    return connection


def table(folder: Path, key: str) -> list[dict[str, str]]:
    with (folder / "data" / f"{key}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_page_has_every_chart_with_its_rows_and_says_synthetic(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against charts without n, and against made-up data that look real."""
    result = build_report(trained, tmp_path)
    page = result.path.read_text()
    assert result.missing == []
    assert result.charts == [chart.key for chart in CHARTS]
    assert result.tracks["cleaning"] == 154
    on_all = ("tracks-per-genre", "overlap", "decades", "distribution", "boxes", "correlation", "map")
    assert {result.tracks[key] for key in on_all} == {144}
    assert result.tracks["clusters"] == len(GENRES)
    (held_out,) = trained.execute("select n_test from ml.model_runs where is_published").fetchone()
    for key in (
        "scores", "f1", "precision-recall", "confusions", "runner-ups", "calibration", "sharing", "sets", "models",
        "popularity",
    ):  # fmt: skip
        assert result.tracks[key] == held_out, key
    captions = re.findall(r'<p class="rows">(.*?)</p>', page, re.DOTALL)
    assert len(captions) == len(CHARTS) + 1
    assert all("synthetic data" in caption for caption in captions)
    assert 'class="banner"' in page


def test_real_data_are_not_called_synthetic(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a banner that nobody believes any more, and one that a synthetic model does without."""
    for table_name in ("marts.clean_tracks", "marts.cleaning_audit"):
        trained.execute(f"update {table_name} set is_synthetic = false")
    assert "Synthetic data." in build_report(trained, tmp_path).path.read_text(), "the model is of synthetic tracks"
    trained.execute("update ml.model_runs set is_synthetic = false")
    assert "synthetic" not in build_report(trained, tmp_path).path.read_text().lower()


def test_names_from_outside_are_text_and_nothing_else(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a genre whose name ends the script element, or is drawn as HTML."""
    page = build_report(trained, tmp_path).path.read_text()
    assert "<b>Punk" not in page
    assert HOSTILE in {row["genre"] for row in table(tmp_path, "f1")}


def test_the_answer_has_intervals_and_stands_beside_majority_and_study(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against an answer without anything to compare it with."""
    page = build_report(trained, tmp_path).path.read_text()
    low, high = trained.execute("select top_3_low, top_3_high from ml.model_runs where is_published").fetchone()
    assert f"95% interval {low:.1%} to {high:.1%}" in page
    contenders = {row["contender"]: row for row in table(tmp_path, "scores") if row["figure"] == "top_3"}
    assert list(contenders) == [
        "study_forest (this model)",
        "always the commonest genres",
    ], "the study's published figures are of other genres, and its protocol holds out other tracks"
    assert "so it stands apart" in page
    assert "Under study_2023_04, knn has" in page


def test_what_the_study_published_stands_beside_a_run_of_its_genres(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against a contender made of two models: the forest's top-1 was never published."""
    trained.execute("update ml.model_runs set has_study_genres = true where is_published")
    build_report(trained, tmp_path)
    published = {
        row["figure"]: float(row["value"])
        for row in table(tmp_path, "scores")
        if row["contender"] == "the study's forest, as published on its data"
    }
    assert published == {"top_3": 0.3047}


def test_the_studys_forest_is_that_of_its_features(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a forest that also read the titles under the name of the study's, since it was trained last."""
    runs = {"knn": ("audio", True, 9), "forest-audio": ("audio", False, 1), "forest-title": ("audio+title", False, 2)}
    for run_id, (features, is_published, day) in runs.items():
        trained.execute(
            "insert into ml.model_runs by name select * replace (? as run_id, ? as model, ? as features, "
            "? as is_published, ?::timestamp as created_at) from ml.model_runs where run_id not in "
            "('knn', 'forest-audio', 'forest-title') and model = 'study_forest' and protocol = 'artist_grouped'",
            [run_id, run_id.split("-")[0].replace("forest", "study_forest"), features, is_published, f"2999-01-0{day}"],
        )
    trained.execute("update ml.model_runs set is_published = (run_id = 'knn')")
    build_report(trained, tmp_path)
    shown = {row["contender"]: row["run_id"] for row in table(tmp_path, "scores")}
    assert shown["the study's forest"] == "forest-audio"
    trained.execute("update ml.model_runs set features = 'audio+year' where run_id = 'knn'")
    build_report(trained, tmp_path)
    shown = {row["contender"]: row["run_id"] for row in table(tmp_path, "scores")}
    assert shown["the study's forest, by sound alone"] == "forest-audio", "it was told less than this model"
    trained.execute("update ml.model_runs set top_1 = 0.125 where run_id = 'forest-title'")
    assert 0.125 not in [row.top_1 for row in summarise(trained).figures]


@pytest.mark.parametrize(
    ("features", "question", "given"),
    [
        ("audio", "Can a song's genre be heard?", "energy, and no name"),
        ("audio+year", "Can a song's genre be heard?", "energy, and its release year"),
        ("title+year", "Can a song's genre be told without its sound?", "A model is given its title and its release"),
    ],
)
def test_the_page_asks_what_its_model_can_answer(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path, features: str, question: str, given: str
) -> None:
    """Guards against "mostly, yes" to whether genres can be heard, by a model that hears nothing."""
    trained.execute("update ml.model_runs set features = ? where is_published", [features])
    build_report(trained, tmp_path)
    page = html.unescape((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert f"<h1>{question}</h1>" in page
    assert f"<title>{question}" in page
    assert given in " ".join(page.split())


def test_a_run_that_other_rules_find_wanting_is_shown_no_more(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against "no figure of it is shown" above its figures, after an update that judges more strictly."""
    (run_id,) = trained.execute("select run_id from ml.model_runs where is_published").fetchone()
    record_verdict(trained, load_tracks(trained), Verdict(run_id, too_little="Too few. No figure of it is shown."))
    page = build_report(trained, tmp_path).path.read_text()
    assert "Too few. No figure of it is shown." in page
    assert "95% interval" not in page


def test_a_run_of_other_tracks_is_not_shown(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against the figures of one dataset, or of an earlier build of it, beside the marts of another."""
    (run_id,) = trained.execute("select run_id from ml.model_runs where is_published").fetchone()
    trained.execute("update marts.clean_tracks set energy = 0.123 where spotify_track_id = 'track0'")
    page = build_report(trained, tmp_path).path.read_text()
    assert "learnt an earlier build of made_up" in page
    assert "95% interval" not in page
    with pytest.raises(ModelError, match="and not the tracks that the marts hold"):
        build_report(trained, tmp_path, run_id=run_id)
    trained.execute("update marts.cleaning_audit set dataset = 'real', is_synthetic = false")
    trained.execute("update marts.clean_tracks set dataset = 'real', is_synthetic = false")
    page = build_report(trained, tmp_path).path.read_text()
    assert "There is no model of real yet" in page
    assert "Synthetic data." not in page


def test_no_bound_is_minus_nought(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a bin that begins at -0: 0.03 less three bins of 0.01, rounded."""
    build_report(only_marts(connection, some_tracks(GENRES)), tmp_path)
    bounds = {row[end] for row in table(tmp_path, "distribution") for end in ("lower_bound", "upper_bound")}
    assert {"0", "0.0"} & bounds
    assert not {"-0", "-0.0"} & bounds


def test_without_a_model_every_chart_of_it_says_where_the_reason_stands(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against no page at all where only a part is missing."""
    result = build_report(only_marts(connection, some_tracks(GENRES)), tmp_path)
    assert result.charts == [chart.key for chart in CHARTS if "ml." not in chart.query]
    page = result.path.read_text()
    assert "There is no model of made_up yet" in page
    assert page.count("<strong>Not shown:</strong>") == len(CHARTS) - len(result.charts) + 1
    assert "Train one with <code>song-genres run</code>" in page
    of_runs = {chart.name for chart in CHARTS if chart.needs_run} | {"Most confident predictions"}
    for sentence in result.missing:
        name = sentence.partition(":")[0]
        assert ("under The answer, the report says why" if name in of_runs else "make run") in sentence


@pytest.mark.parametrize(
    ("dropped", "charts"),
    [
        ("marts.feature_distribution", {"distribution", "boxes"}),
        ("marts.genre_overlap", {"overlap", "sharing"}),
        ("marts.genre_summary", {"map"}),
        ("marts.feature_correlation", {"correlation"}),
        ("marts.cleaning_audit", {"cleaning"}),
        ("ml.confusions", {"confusions", "sharing"}),
        ("ml.genre_clusters", {"clusters"}),
        ("ml.popularity_fits", {"popularity"}),
        ("ml.study_figures", {"scores", "protocols"}),
    ],
)
def test_a_missing_table_takes_its_own_charts_alone(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path, dropped: str, charts: set[str]
) -> None:
    """Guards against one mart that was not built taking the page with it, or going unnamed."""
    trained.execute(f"drop table {dropped}")
    result = build_report(trained, tmp_path)
    assert {chart.key for chart in CHARTS} - set(result.charts) == charts
    assert all(dropped.partition(".")[2] in sentence and "make run" in sentence for sentence in result.missing)


def test_what_no_source_gives_is_said_in_place_of_the_chart(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against "make run" as the advice where running again would bring nothing."""
    trained.execute("update marts.track_details set release_year = null; delete from marts.genre_overlap")
    trained.execute("delete from ml.genre_clusters; delete from ml.popularity_fits")
    for table in ("model_runs", "verdicts"):  # a model may see the year, so these are other tracks
        trained.execute(f"update ml.{table} set tracks_digest = ?", [tracks_digest(trained)])
    result = build_report(trained, tmp_path)
    assert result.missing == [
        "Genres that share tracks: no track is listed under more than one genre, so none overlap.",
        "Genres over the years: no track has a release date and a genre, because the source gives none.",
        "Which genres belong together: there are too few genres to put into groups: it takes five.",
        "What popularity follows from: popularity is unknown, the same for all artists or all but a few, or there "
        "is one genre alone.",
    ]


def test_a_missing_chart_leaves_no_table_of_an_earlier_page(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a stale CSV beside a page that says there is none."""
    build_report(trained, tmp_path)
    trained.execute("drop table marts.genre_summary")
    build_report(trained, tmp_path)
    assert not (tmp_path / "data" / "map.csv").exists()
    assert (tmp_path / "data" / "f1.csv").exists()


def test_one_genre_alone_still_makes_a_page(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against clustering, ranks and maps of nothing."""
    result = build_report(only_marts(connection, some_tracks(["Dub"])), tmp_path)
    assert {"tracks-per-genre", "distribution", "boxes", "correlation"} <= set(result.charts)
    assert any("A map takes three genres or more" in sentence for sentence in result.missing)


def test_a_genre_without_held_out_tracks_is_named_and_not_drawn_as_zero(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against F1 0 for a genre of which nothing was tested."""
    trained.execute("update ml.genre_scores set support = 0, f1 = 0, precision = 0, recall = 0 where genre = 'Emo'")
    page = build_report(trained, tmp_path).path.read_text()
    assert page.count("Without a held-out track, and so not shown: Emo.") == 2
    trained.execute("update ml.genre_scores set support = 0")
    result = build_report(trained, tmp_path)
    assert "f1" not in result.charts
    assert any("more artists per genre" in sentence for sentence in result.missing)


def test_chosen_genres_keep_the_charts_to_them(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a subset that changes a title and not the rows."""
    result = build_report(trained, tmp_path, genres=["dub", "Emo", "Dub"])
    assert [line.partition(":")[0] for line in result.missing] == ["Is a wrong guess wrong?"], "none of theirs is"
    assert {row["genre"] for row in table(tmp_path, "f1")} == {"Dub", "Emo"}
    assert {row["predicted_genre"] for row in table(tmp_path, "confusions")} <= {"Dub", "Emo", "other genres"}
    assert sum(int(row["tracks"]) for row in table(tmp_path, "confusions")) == result.tracks["f1"]
    assert result.tracks["tracks-per-genre"] == result.tracks["decades"] == 48
    pairs = {(row["genre"], row["other_genre"]) for row in table(tmp_path, "overlap")}
    assert pairs == {("Blues", "Dub"), ("Dub", "Emo")} | {pair for pair in pairs if "Emo" in pair}
    assert {row["genre"] for row in table(tmp_path, "distribution")} == {"All genres", "Dub", "Emo"}
    assert "kept\nto: Dub, Emo." in result.path.read_text()


def test_an_unknown_genre_is_told_with_those_like_it(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against an empty page for a mistyped genre."""
    with pytest.raises(ModelError, match="no genre 'Ambiant' among the 6 .* mean Ambient"):
        build_report(trained, tmp_path, genres=["Ambiant"])


def test_another_run_can_be_shown(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against figures of the published run under another run's name."""
    (baseline,) = trained.execute("select run_id from ml.model_runs where model = 'prior'").fetchone()
    build_report(trained, tmp_path, run_id=baseline)
    assert table(tmp_path, "scores")[0]["run_id"] == baseline
    assert table(tmp_path, "scores")[0]["contender"] == "prior (this model)"


def test_without_anything_there_is_an_error_that_says_what_to_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against an empty page from an empty database."""
    with pytest.raises(ModelError, match="make run"):
        build_report(connection, tmp_path)


def test_an_unknown_run_is_told_with_those_that_there_are(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a page of another run than the one asked for."""
    with pytest.raises(ModelError, match="no run 'x'.*made_up-artist_grouped-"):
        build_report(trained, tmp_path, run_id="x")


def test_the_page_and_all_beside_it_stay_under_eight_megabytes(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Guards against plotly's script once a chart; 132 genres take 2.2 MB more than these six, as measured."""
    build_report(trained, tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size < 5_700_000
    assert len(list(tmp_path.rglob("plotly*"))) == 1


def test_every_colour_of_text_is_on_the_page(trained: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Guards against a theme that the stylesheet never hears of."""
    page = build_report(trained, tmp_path).path.read_text()
    for name, colour in THEMES["light"].items():
        assert f"--{name}: light-dark({colour}, {THEMES['dark'][name]});" in page


def test_a_report_that_fails_leaves_the_earlier_one_whole(
    trained: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a page whose tables are gone, since the disk was full while the next one was written."""
    build_report(trained, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("ml.report._entry", fail)
    with pytest.raises(OSError, match="No space left"):
        build_report(trained, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
