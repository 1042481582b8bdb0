"""The file that is named is the file that is read and written, whatever its name: for every command that takes one."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.conftest import Dbt
from warehouse import files
from warehouse.files import WarehouseError
from warehouse.raw_export import export_raw

StudyCsv = Callable[..., Path]

ODD = [
    "songs[1]",
    "what?",
    "so*gs",
    "Bob's songs",
    'the "best"',
    "50% off & more; $HOME",
    "~",
    "été 夜",
    "-dash",
    "a`b`",
]
"""Names of files; a decoy lies beside each, which its pattern would match."""

DECOYS = {"songs[1]": "songs1", "what?": "whatX", "so*gs": "songs"}

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, whose own name is odd."""
    path = tmp_path / "genre=Jazz [1] 夜's"
    path.mkdir()
    monkeypatch.chdir(path)
    monkeypatch.setenv("WAREHOUSE_PATH", "warehouse.duckdb")
    monkeypatch.setenv("PUBLISHED_PATH", "published.duckdb")
    return path


def as_csv(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)


def as_parquet(path: Path, target: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("set file_search_path = ''")
        connection.execute("copy (from read_csv($path, all_varchar = true)) to 'plain.parquet'", {"path": str(path)})
    Path("plain.parquet").rename(target)


def as_json_lines(path: Path, target: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        target.write_text("\n".join(json.dumps(row) for row in csv.DictReader(file)))


FORMS = {"csv": as_csv, "parquet": as_parquet, "jsonl": as_json_lines}


@pytest.fixture
def written(folder: Path, study_csv: StudyCsv) -> Callable[[str, str], Path]:
    """Write a song file of this name and ending, with a decoy beside it where its name could be a pattern."""

    def write(name: str, ending: str) -> Path:
        assert Path.cwd() == folder
        path = Path(f"{name}.{ending}")
        FORMS[ending](study_csv({"song_name": "right"}, {"song_name": "right"}, name="plain.csv"), path)
        if name in DECOYS:
            FORMS[ending](study_csv({"song_name": "WRONG"}, name="decoy.csv"), Path(f"{DECOYS[name]}.{ending}"))
        return path

    return write


def invoke(*arguments: str | Path, **options: Any) -> str:
    result = runner.invoke(app, [str(argument) for argument in arguments], **options)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("name", ODD)
def test_import_and_clean_read_the_file_that_was_named(
    written: Callable[[str, str], Path], name: str, ending: str
) -> None:
    """Guards against the rows of another file, silently: DuckDB takes [1], ? and * for patterns, and ~ for a home."""
    path = written(name, ending)
    invoke("import", "--", path)
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        assert (
            connection.execute(
                "select dataset, source, payload->>'name' from raw.tracks order by listing_id"
            ).fetchall()
            == [(name, f"dump:{path.name}", "right")] * 2
        )
    out = Path(f"out {name}.{ending}")
    invoke("clean", "--", path, out)
    with duckdb.connect() as connection:
        reader = {"csv": "read_csv", "parquet": "read_parquet", "jsonl": "read_json"}[ending]
        shutil.copyfile(out, "plain_out")
        assert connection.execute(f"select song_name from {reader}('plain_out')").fetchall() == [("right",)] * 2


@pytest.mark.parametrize("name", ODD)
def test_predict_reads_and_writes_the_files_that_were_named(
    written: Callable[[str, str], Path], model_path: Path, name: str
) -> None:
    """Guards against songs of another file under the name of the one that was asked for."""
    for ending in FORMS:
        path, out = written(name, ending), Path(f"out {name}.CSV")
        invoke("predict", "--model", model_path, "--", path, out)
        with out.open(newline="", encoding="utf-8") as file:
            assert [row["song_name"] for row in csv.DictReader(file)] == ["right"] * 2


@pytest.mark.parametrize("command", ["clean", "predict"])
@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "other spelling"])
def test_the_input_is_never_the_output(
    written: Callable[[str, str], Path], model_path: Path, command: str, link: str
) -> None:
    """Guards against a person's file destroyed by a command that was to read it."""
    path = written("mine", "csv")
    before = path.read_bytes()
    out = Path("out.csv") if link in ("symbolic", "hard") else path if link == "itself" else Path("../") / (
        Path.cwd().name
    ) / path.name  # fmt: skip
    if link == "symbolic":
        out.symlink_to(path.name)
    if link == "hard":
        os.link(path, out)
    extra = ["--model", str(model_path)] if command == "predict" else []
    result = runner.invoke(app, [command, str(path), str(out), *extra])
    assert result.exit_code == 1
    assert "is the file that is read" in result.stderr
    assert path.read_bytes() == out.read_bytes() == before


@pytest.mark.parametrize("out", ["o.xlsx", "-", "o.tsv", "o", "o.csv.zip"])
def test_an_output_of_another_ending_is_refused_before_any_work(
    written: Callable[[str, str], Path], model_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Guards against Parquet under the name of a spreadsheet, and against a refusal after minutes of work."""
    path = written("mine", "csv")
    monkeypatch.setattr("extract.song_files.reading.recognise", lambda *_: pytest.fail("the file was read"))
    before = sorted(Path().iterdir())
    commands = [["clean", str(path), "--", out]]
    if out != "-":
        commands.append(["predict", str(path), out, "--model", str(model_path)])
    for command in commands:
        result = runner.invoke(app, command)
        assert result.exit_code == 1, result.output
        assert "unknown ending" in result.stderr
        assert ".parquet" in result.stderr
    assert sorted(Path().iterdir()) == before


def test_the_rejected_listings_are_written_by_their_ending_too(written: Callable[[str, str], Path]) -> None:
    """Guards against Parquet under the name of a CSV in capitals, and against one file written twice."""
    path = written("mine", "csv")
    invoke("clean", path, "OUT.CSV", "--rejected", "Rejected.JSONL")
    assert Path("OUT.CSV").read_text().startswith("danceability,")
    assert Path("Rejected.JSONL").read_text() == ""
    result = runner.invoke(app, ["clean", str(path), "same.csv", "--rejected", "same.csv"])
    assert "Name two files" in result.stderr


def test_a_place_that_cannot_be_written_is_told(written: Callable[[str, str], Path], tmp_path: Path) -> None:
    """Guards against a traceback for a folder in the file's place, or a file in the folder's."""
    path = written("mine", "csv")
    Path("folder.csv").mkdir()
    os.mkfifo("pipe.csv")
    for out in ("folder.csv", f"{path}/out.csv", "pipe.csv"):
        result = runner.invoke(app, ["clean", str(path), out])
        assert result.exit_code == 1
        assert f"{Path(out).absolute()} cannot be written" in " ".join(result.stderr.split("\n"))
    assert not list(tmp_path.rglob("*.unfinished"))


def test_an_output_through_a_link_is_written_where_the_link_leads(written: Callable[[str, str], Path]) -> None:
    """Guards against a link that becomes a file of its own, while what it named stays as it was."""
    Path("elsewhere").mkdir()
    Path("elsewhere/old.csv").write_text("old")
    Path("out.csv").symlink_to("elsewhere/old.csv")
    invoke("clean", written("mine", "csv"), "out.csv")
    assert Path("out.csv").is_symlink()
    assert Path("elsewhere/old.csv").read_text().startswith("danceability,")
    assert [path.name for path in Path("elsewhere").iterdir()] == ["old.csv"]


def test_published_copy_exports_and_raw_documents_under_odd_names(
    folder: Path, study_csv: StudyCsv, monkeypatch: pytest.MonkeyPatch, dbt: Dbt
) -> None:
    """Guards against dbt and DuckDB that take the name of the warehouse for an option, a home or a pattern."""
    warehouse, published = Path("w?h [1]*% $HOME ~ 夜.duckdb").absolute(), Path('it\'s "pub"?x=1#.duckdb')
    monkeypatch.setenv("WAREHOUSE_PATH", str(warehouse))
    monkeypatch.setenv("PUBLISHED_PATH", str(published))
    invoke("import", study_csv({}, {}))
    dbt(warehouse, "build")
    invoke("publish")
    exported, raw = Path("ex[1]'s ?*"), Path('raw[1]\'s "x" ?*~')
    monkeypatch.setenv("RAW_EXPORT_PATH", str(raw))
    invoke("export", "--output", exported)
    with files.connect(files.warehouse_path(), read_only=True) as connection:
        export_raw(connection, raw)
    assert len((exported / "audio_features_4.0_clean.csv").read_text().splitlines()) == 3
    assert (raw / "datasets" / "documents.parquet").exists()
    assert not [path for path in folder.rglob("*") if "unfinished" in path.name or "replaced" in path.name]
    assert {path.name for path in folder.iterdir()} >= {warehouse.name, published.name, exported.name, raw.name}


@pytest.mark.parametrize("path", ["it's.duckdb", 'a"b.duckdb', "a#b.duckdb", "what?/warehouse.duckdb"])
def test_a_warehouse_that_dbt_cannot_use_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against documents landed in a file from which nothing can be built, and dbt's words for it."""
    monkeypatch.setenv("WAREHOUSE_PATH", path)
    with pytest.raises(WarehouseError, match="dbt cannot use a database whose name"):
        files.warehouse_path()


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("name", [*ODD, "$(shell touch ran)", "`touch ran`", "'; touch ran; '", "a\\b", "#x", "$$x"])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_make_hands_on_what_was_typed(folder: Path, name: str, given: str) -> None:
    """Guards against a file's name that ends in the shell, and runs there."""
    shutil.copyfile(Path(__file__).parents[2] / "Makefile", "Makefile")
    Path(".venv/bin").mkdir(parents=True)
    command = Path(".venv/bin/song-genres")
    command.write_text(f"#!{sys.executable}\nimport sys, json\nprint(json.dumps(sys.argv[1:]))\n")
    command.chmod(0o755)
    for file in ("requirements.lock", "pyproject.toml", ".venv/bin/python", ".venv/bin/.installed"):
        Path(file).touch()
    values = {"INPUT": f"{name}.csv", "MAP": f"genre={name}", "UNIT": f"artist_name={name}"}
    # Under `make test` a make would take itself for its part, and say which folder it enters.
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = subprocess.run(
        ["make", "run", *(f"{key}={value}" for key, value in values.items() if given == "argument")],
        env=inherited | (values if given == "environment" else {}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    options = zip(("--input", "--map", "--unit"), values.values(), strict=True)
    assert json.loads(made.stdout) == ["run", *(f"{option}={value}" for option, value in options)]
    assert not (folder / "ran").exists()
