"""Secrets stay in the environment: a whole run against the local Spotify, and then every file it wrote is searched."""

from pathlib import Path

import duckdb
import pytest

from extract.sandbox.catalogue import build_catalogue
from extract.sandbox.server import CLIENT_ID, CLIENT_SECRET, serve
from tests.end_to_end.conftest import song_genres


@pytest.mark.full
def test_neither_the_secret_nor_a_token_is_in_anything_that_a_run_wrote(tmp_path: Path) -> None:
    """Guards against credentials in the database, the logs, Dagster's storage, the page or the screen."""
    with serve(build_catalogue(listings=400, only=["Techno", "Jazz"])) as server:
        result = song_genres(
            "run", "--input", "spotify", "-g", "Techno", "-g", "Jazz", "--requests-per-window", "9999",
            "--model", "lightgbm",
            cwd=tmp_path,
            SPOTIFY_CLIENT_ID=CLIENT_ID,
            SPOTIFY_CLIENT_SECRET=CLIENT_SECRET,
            SPOTIFY_ACCOUNTS_ADDRESS=server.address,
            SPOTIFY_API_ADDRESS=f"{server.address}/v1",
            RECCOBEATS_ADDRESS=f"{server.address}/reccobeats/v1",
        )  # fmt: skip
        secrets = [CLIENT_SECRET, *server.tokens]
    assert result.returncode == 0, result.stderr
    assert len(secrets) >= 2, "no token was given: the search below would prove nothing"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"warehouse.duckdb", "index.html", "runs.db"} <= {path.name for path in written}
    for secret in secrets:
        assert secret not in result.stdout + result.stderr
        found = [str(path.relative_to(tmp_path)) for path in written if secret.encode() in path.read_bytes()]
        assert found == []
    # DuckDB compresses its columns, so the file's bytes prove little: its tables are searched as text.
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        for (table,) in tables:
            for secret in secrets:
                query = f"select count(*) from {table} as one where contains(one::varchar, ?)"
                assert connection.execute(query, [secret]).fetchall() == [(0,)], table
