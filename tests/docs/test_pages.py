"""What the README, CONTRIBUTING.md and docs/ name is there: commands, options, targets, paths, environment variables.

Nothing is run here (test_examples.py does that), so pages are compared with the code in seconds.
"""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from dbt.cli.main import cli as dbt_cli

from extract.song_files import page as song_files
from orchestration.cli import app
from tests.conftest import ROOT
from tests.docs.pages import PAGES, Page, commands, read_page, shell_lines
from warehouse.changes import MART_KEYS

OF_THE_SYSTEM = {"apt-get", "cd", "cp", "duckdb", "export", "git", "kill", "pip", "rm", "source", "ssh"}
"""Commands that are not ours."""

MADE_BY_A_RUN = [
    ".venv", ".venv/*", "backup/*", "data/warehouse.duckdb", "data/song_genres.duckdb", "data/dagster/", "data/inbox/",
    "data/inbox/failed/", "data/raw", "data/spark", "data/spark/*", "models/", "models/<run_id>/*", "models/<run>/*",
    "reports/", "reports/index.html", "reports/warehouse.html", "exports/", "exports/*", "target/", "target/compiled/",
    "logs/", "logs/*", "done/", "failed/",
]  # fmt: skip
"""What commands write, and what a user puts there."""

READ_BY_OTHERS = {
    "DAGSTER_HOME",
    "SPARK_CONF_DIR",
    "SPARK_DRIVER_MEMORY",
    "SPARK_REMOTE",
    "JAVA_HOME",
    "PYTHONDONTWRITEBYTECODE",
}
"""Environment variables that Dagster, Spark, Java and Python read."""

NO_VARIABLES = {"JAVA_GATEWAY_EXITED", "LOCATION_ALREADY_EXISTS", "READ_ONLY"}
"""Names in capitals that are messages of Spark's, and a setting of DuckDB's."""

Tree = Any  # click's, of which Typer and dbt each have a copy


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Page:
    """Each page in turn."""
    return read_page(request.param)


def unknown_words(tree: Tree, words: list[str]) -> list[str]:
    """The words of a command line that its click tree does not know: a command, options."""
    known: set[str] = set()
    positional = 0
    rest = list(words)
    while rest:
        word = rest.pop(0)
        known |= {name for parameter in tree.params for name in (*parameter.opts, *parameter.secondary_opts)}
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            if name not in known | {"--help"}:
                return [word]
            taken = [parameter for parameter in tree.params if name in parameter.opts]
            if taken and not equals and not taken[0].is_flag and rest:
                rest.pop(0)
        elif hasattr(tree, "commands"):
            if word not in tree.commands:
                return [word]
            tree = tree.commands[word]
        else:
            positional += 1
    room = [parameter for parameter in tree.params if parameter.param_type_name == "argument"]
    return [] if positional <= len(room) or any(argument.nargs < 0 for argument in room) else words[-1:]


def dagster_knows(words: list[str]) -> bool:
    """Whether `dagster dev`'s own help names the options; other programs of Dagster's must be installed."""
    if words[:2] != ["dagster", "dev"]:
        return Path(sys.executable).with_name(words[0]).exists()
    options = [word for word in words if word.startswith("-")]
    shown = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "dev", "--help"], capture_output=True, text=True, check=True
    ).stdout if options else ""  # fmt: skip
    return all(option in shown for option in options)


def wrong_in(words: list[str]) -> list[str]:
    """What is wrong in a command line: nothing, or the words that are not known."""
    program, *rest = words
    if program == "song-genres":
        return unknown_words(typer.main.get_command(app), rest)
    if program == "dbt":
        return unknown_words(dbt_cli, rest)
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
        variables = set(re.findall(r"\$[({]([A-Z_]+)", makefile)) | {"INPUT"}
        return [word for word in rest if word.partition("=")[0] not in targets | variables]
    if program == "pytest":
        return [word for word in rest if not word.startswith("-") and not (ROOT / word).exists()]
    if program.startswith(("dagster", "dg")):
        return [] if dagster_knows(words) else words
    return [] if program in OF_THE_SYSTEM else [program]


def test_every_command_in_a_block_exists(page: Page) -> None:
    """Guards against a command, option or target that was renamed, and that a reader copies."""
    wrong = {line: found for line in shell_lines(page) for words in commands(line) if (found := wrong_in(words))}
    assert wrong == {}


def test_every_command_in_a_sentence_exists(page: Page) -> None:
    """Guards against the same where a command is named in passing."""
    programs = ("song-genres ", "make ", "dbt ", "dagster ", "dagster-", "dg ")
    named = [text for text in page.inline if text.startswith(programs) and "COMMAND" not in text]
    wrong = {text: found for text in named for words in commands(text) if (found := wrong_in(words))}
    assert wrong == {}


def test_every_command_of_the_console_is_in_the_readme_or_a_page() -> None:
    """Guards against a command that nobody finds."""
    pages = [page for path in PAGES if path.name != "cli.md" for page in [read_page(path)]]
    said = " ".join(text for page in pages for text in (*page.inline, *shell_lines(page)))
    group: Tree = typer.main.get_command(app)
    assert [name for name in group.commands if f"song-genres {name}" not in said] == []


def test_every_link_leads_to_a_file(page: Page) -> None:
    """Guards against a link to a page that was moved."""
    local = [link.partition("#")[0] for link in page.links if not link.startswith(("http", "#"))]
    assert [link for link in local if not (page.path.parent / link).exists()] == []


def is_path_of_ours(text: str) -> bool:
    """Whether words in backticks are a path: below a folder of ours or one that a run makes, or a file's name."""
    if not re.fullmatch(r"[\w./<>*…-]+", text):
        return False
    if "/" not in text:
        return re.fullmatch(r"[\w.-]+\.(py|md|yml|toml|lock|sql|css|js|html)", text) is not None
    made = {path.partition("/")[0] for path in MADE_BY_A_RUN}
    return text.partition("/")[0] in made | {path.name for path in ROOT.iterdir() if path.is_dir()}


def is_there(text: str) -> bool:
    """Whether a path exists, or is made by a run; a file's name alone may lie in any folder of ours."""
    if any(fnmatch(text, known) for known in MADE_BY_A_RUN):
        return True
    pattern = re.sub(r"<\w+>|…", "*", text).rstrip("/")
    within = [ROOT / name for name in ("extract", "ml", "orchestration", "warehouse", "web", "dbt_project")]
    return any(ROOT.glob(pattern)) or ("/" not in text and any(any(folder.rglob(pattern)) for folder in within))


def test_every_path_exists_or_is_made_by_a_run(page: Page) -> None:
    """Guards against a place where there is nothing (any more)."""
    assert [text for text in page.inline if is_path_of_ours(text) and not is_there(text)] == []


def test_every_test_that_is_named_exists() -> None:
    """Guards against a proof by a test that was renamed."""
    named = [text for text in read_page(ROOT / "docs" / "testing.md").inline if "::" in text]
    assert len(named) > 40
    sources = {name: (ROOT / "tests" / name.partition("::")[0]).read_text(encoding="utf-8") for name in named}
    assert [name for name in named if f"def {name.partition('::')[2]}(" not in sources[name]] == []


def source_text() -> str:
    """The text of everything that may read an environment variable."""
    folders = ("warehouse", "extract", "ml", "orchestration", "web", "dbt_project")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sql")]
    return "\n".join(path.read_text(encoding="utf-8") for path in [*files, ROOT / "profiles.yml", ROOT / "Makefile"])


def test_every_environment_variable_is_read_somewhere(page: Page) -> None:
    """Guards against a setting that a reader sets, and that nothing obeys."""
    words = " ".join([*page.inline, *shell_lines(page)])
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", words)) - READ_BY_OTHERS - NO_VARIABLES
    text = source_text()
    assert sorted(name for name in named if name not in text) == []


def test_every_environment_variable_that_is_read_is_documented() -> None:
    """Guards against a setting that only the code knows."""
    read = re.findall(r"(?:environ\.get\(|environ\[|env_var\()[\"']([A-Z_]+)[\"']", source_text())
    documented = (ROOT / "docs" / "operations.md").read_text() + (ROOT / "docs" / "spark.md").read_text()
    assert sorted({name for name in read if f"`{name}`" not in documented} - READ_BY_OTHERS) == []


def test_the_page_of_song_files_is_up_to_date() -> None:
    """Guards against docs/files.md of another time: `make docs-files` writes it anew."""
    assert song_files.page() == (ROOT / "docs" / "files.md").read_text(encoding="utf-8")


def test_the_picture_of_the_warehouse_has_every_mart_with_its_key() -> None:
    """Guards against a picture of other tables, keys or columns than dbt builds."""
    (picture,) = (text for language, text in read_page(ROOT / "docs" / "warehouse.md").fences if language == "mermaid")
    columns = {
        mart["name"]: {column["name"] for column in mart["columns"]}
        for path in (ROOT / "dbt_project" / "models" / "marts").glob("*.yml")
        for mart in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    drawn = dict(re.findall(r"^    (\w+) \{\n(.*?)^    \}", picture, re.MULTILINE | re.DOTALL))
    assert {mart: tuple(re.findall(r"(\w+) PK$", text, re.MULTILINE)) for mart, text in drawn.items()} == MART_KEYS
    for mart, text in drawn.items():
        assert {line.split()[1] for line in text.splitlines()} <= columns[mart], mart
    joined = re.findall(r"^    (\w+) \S+ (\w+) : ", picture, re.MULTILINE)
    assert {mart for pair in joined for mart in pair} == MART_KEYS.keys() - {"crawl_cost"}


def test_every_query_about_the_warehouse_has_its_output() -> None:
    """Guards against a question without an answer, and fewer than the twelve that the page promises."""
    page = read_page(ROOT / "docs" / "warehouse.md")
    assert len(page.outputs) == len([text for language, text in page.fences if language == "sql"]) == 12


def test_the_reference_of_the_console_commands_is_up_to_date() -> None:
    """Guards against docs/cli.md of another time: `make docs-cli` writes it anew."""
    command = ["orchestration.cli", "utils", "docs", "--name", "song-genres", "--title", "The console commands"]
    made = subprocess.run(
        [str(Path(sys.executable).with_name("typer")), *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert made.stdout.replace("&#x27;", "'") == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
