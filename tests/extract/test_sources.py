"""What a source's name means: which of several things of one name is taken, and what is said where there is none."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from extract import sources
from extract.dumps import import_dump
from extract.song_files import ReadingOptions, SongFileError
from extract.sources import extract, require_source
from tests.extract.song_files.workbook import workbook
from warehouse import files, raw


def active(file: Path) -> str:
    with files.connect(file) as connection:
        dataset = raw.active_dataset(connection)
    assert dataset is not None
    return dataset.name


@pytest.fixture
def two_datasets(warehouse_file: Path, study_csv: Callable[..., Path]) -> Path:
    """A warehouse with the datasets `mine` and `other's songs`, of which the second is active."""
    import_dump(study_csv({}, {}), warehouse_file, name="mine")
    import_dump(study_csv({}, name="other.csv"), warehouse_file, name="other's songs")
    return warehouse_file


def test_a_landed_dataset_is_made_the_active_one(two_datasets: Path) -> None:
    """Guards against a run of another dataset than the one that was named, and against silence about it."""
    extraction = extract("mine", two_datasets)
    assert (extraction.dataset.name, extraction.rows["tracks"], extraction.report) == ("mine", 2, None)
    assert extraction.note == "the dataset mine was landed before; it is the active one now"
    assert active(two_datasets) == "mine"
    assert extract("other's songs", two_datasets).dataset.name == active(two_datasets) == "other's songs"


def test_a_path_that_exists_wins(
    two_datasets: Path, study_csv: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a file that cannot be imported because a dataset bears its name."""
    monkeypatch.chdir(tmp_path)
    study_csv({}, {}, {"energy": "0.9"}, name="new.csv").rename(tmp_path / "mine")
    with pytest.raises(SongFileError):  # it is read: and has no ending that says what it is
        extract("mine", two_datasets)
    assert active(two_datasets) == "other's songs"


def test_the_active_dataset_stays_with_auto(two_datasets: Path) -> None:
    """Guards against the sandbox's synthetic songs over a person's own."""
    assert extract("auto", two_datasets).dataset.name == "other's songs"
    assert active(two_datasets) == "other's songs"


def test_an_unknown_name_is_answered_with_those_that_there_are(two_datasets: Path, tmp_path: Path) -> None:
    """Guards against a user who has to guess what could have been meant."""
    with pytest.raises(SongFileError, match="neither a file nor a name") as caught:
        extract("mien", two_datasets)
    for name in ("auto", "sandbox", "spotify", *sources.PUBLISHED_DUMPS, "mine", "other's songs"):
        assert name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
    with pytest.raises(SongFileError, match="Landed datasets: none yet"):
        extract("mien", tmp_path / "no_warehouse.duckdb")
    assert not (tmp_path / "no_warehouse.duckdb").exists()


def test_an_unknown_source_is_refused_before_any_work(two_datasets: Path, tmp_path: Path) -> None:
    """Guards against a mistyped name that is told after half a minute, and against good names refused."""
    for known in ("auto", "sandbox", "spotify", "tidytuesday", active(two_datasets), str(tmp_path)):
        require_source(known, two_datasets)
    for unknown in ("nonsense", "nowhere.csv"):
        told = []
        for refuse in (require_source, extract):
            with pytest.raises(SongFileError) as error:
                refuse(unknown, two_datasets)
            told.append(str(error.value))
        assert told[0] == told[1]
    require_source("sandbox", tmp_path / "none.duckdb")
    assert not (tmp_path / "none.duckdb").exists()


def test_a_table_in_a_file_is_a_path(two_datasets: Path, study_csv: Callable[..., Path], tmp_path: Path) -> None:
    """Guards against a run that refuses what an import takes: a sheet of a workbook, a table of an archive."""
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(study_csv({}, {}, {}), "songs.csv")
        archive.writestr("artists.csv", "id,name\n1,x\n")
    header, *rows = csv.reader(study_csv({}, {}).read_text().splitlines())
    workbook(tmp_path / "book.xlsx", {"Songs": [header, *rows], "Notes": [["a", "b"], ["c", "d"]]})
    for source, listings in ((tmp_path / "archive.zip" / "songs.csv", 3), (tmp_path / "book.xlsx" / "Songs", 2)):
        extraction = extract(str(source), two_datasets, reading=ReadingOptions(merge_genres=True))
        assert (extraction.dataset.name, extraction.rows["tracks"]) == (source.stem, listings)
