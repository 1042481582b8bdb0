"""`song-genres run` without a dump: the embedded catalogue, from the crawl to the report.

Four search hits a genre, which leaves out most of the default's songs: fitting the study's forest on all of them
takes a minute of two cores. The whole is run by `make bench BENCH=orchestration`; that its songs are about as hard to
tell apart as the study's is tested in tests/extract/sandbox/test_catalogue.py.
"""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import song_genres
from tests.end_to_end.test_run import published
from warehouse import files

pytestmark = pytest.mark.full


def test_the_embedded_default_is_crawled_and_labelled(tmp_path: Path) -> None:
    """Guards against a toy: every genre is there, all is labelled, nothing is lost, and the model learns."""
    result = song_genres("run", "--limit", "4", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "synthetic" in result.stdout
    ((tracks, genres, synthetic),) = published(
        tmp_path, "select count(*), count(distinct genre), bool_and(is_synthetic) from marts.clean_tracks"
    )
    assert (genres, synthetic) == (132, True)
    assert tracks > 4_000  # type: ignore[operator]
    assert published(
        tmp_path,
        """
        select (select count(*) from raw.tracks) = (select count(*) from marts.clean_tracks)
            + (select count(*) from marts.rejected_listings)
        """,
    ) == [(True,)]
    scores = dict(published(tmp_path, "select model, top_3 from ml.model_runs where protocol = 'artist_grouped'"))  # type: ignore[arg-type]
    assert scores["ensemble"] > 2 * scores["prior"]
    assert "Synthetic data." in (tmp_path / "reports" / "index.html").read_text()


def test_the_whole_of_it_is_crawled_with_few_requests(tmp_path: Path) -> None:
    """Guards against a small catalogue, and against a crawl that asks again for what it was told already."""
    result = song_genres("extract", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    with files.connect(tmp_path / "data" / "warehouse.duckdb", read_only=True) as connection:
        ((tracks, requests),) = connection.execute(
            "select count(distinct track_id), (select count(*) from raw.requests) from raw.tracks"
        ).fetchall()
    assert tracks > 14_000
    assert requests <= 0.16 * tracks
