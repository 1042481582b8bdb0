"""The published copy, as it is held while the server runs: opened once, and opened anew when it has been replaced.

Belongs here: connections, what is kept in memory of a copy, and which copy a request gets. Not here: what is asked of
it (songs.py, knobs.py).
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.features import AUDIO_FEATURES
from warehouse.files import WarehouseError, WarehouseMissing, connect, quoted
from warehouse.publication import Build, ShownModel, shown_model

if TYPE_CHECKING:
    import numpy as np

    from ml.model_file import Model

State = tuple[int, int, int]


def state_of(path: Path) -> State | None:
    """Which file lies at `path`: another one, if this differs. None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class Snapshot:
    """One published copy with its model; a request that has it sees nothing of a later one.

    The file is never written. What must answer at once is read into memory meanwhile: `memory.songs` has one row per
    clean track, the most popular first, numbered from 0 (`row`), with `words` to search in. Raises `WarehouseError`.
    """

    def __init__(self, path: Path) -> None:
        connect(path, read_only=True, wait=0).close()  # says in a sentence what is wrong with the file
        # A database of its own, with the copy attached: DuckDB would give a second connection to the same path the
        # file that the first one has open, even if another has taken its place.
        self._connection = duckdb.connect(config={"threads": 2})
        self._connection.execute("set enable_progress_bar = false")
        self._connection.execute(f"attach {quoted(path.absolute())} as published (read_only)")
        self._connection.execute("use published")
        try:
            dataset, is_synthetic = self._connection.execute(
                "select any_value(dataset), bool_or(is_synthetic) from marts.cleaning_audit"
            ).fetchone() or (None, False)
        except duckdb.CatalogException:
            raise WarehouseError(f"{path.name} has no tables of songs. Make it anew: make run.") from None
        self.dataset, self._songs_are_synthetic = str(dataset), bool(is_synthetic)
        self._once: dict[str, Any] = {}
        shown = self._shown_model()
        self.run, self.finding = self._run(shown.run_id) or self._lent(), shown.finding
        thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._songs = thread.submit(self._read_songs)
        self._sounds = thread.submit(self._read_sounds)
        self._model = thread.submit(self._load_model)
        thread.shutdown(wait=False)

    @property
    def is_synthetic(self) -> bool:
        """Whether the songs, or those that the model learnt, are made up."""
        return self._songs_are_synthetic or bool(self.run and self.run["is_synthetic"])

    @property
    def model_path(self) -> Path | None:
        """The file of the published model; None where no model is published."""
        return Path(self.run["model_path"]) if self.run and self.run["model_path"] else None

    @property
    def model(self) -> "Model":
        """The published model, waited for. Raises `ModelError`: there is none, or its file cannot be used."""
        return self._model.result()

    @property
    def sounds(self) -> "tuple[np.ndarray, np.ndarray]":
        """The compared features of all songs as z-scores (float32, songs x features, by `row`), and each row's square.

        What is unknown counts as average.
        """
        return self._sounds.result()

    def rows(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        """The rows of a query as dicts."""
        with self._connection.cursor() as cursor:
            cursor.execute("use published")
            found = cursor.execute(query, parameters or {})
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def songs(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        """The same for a query of `memory.songs`, which is waited for."""
        self._songs.result()
        return self.rows(query, parameters)

    def may_have(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        """The rows of a query, or none where the copy has no such table: an earlier version made it, or no model is."""
        try:
            return self.rows(query, parameters)
        except (duckdb.CatalogException, duckdb.BinderException):
            return []

    @cached_property
    def size(self) -> dict[str, Any]:
        """`songs` and `genres`: how many clean tracks there are, and of how many genres."""
        (size,) = self.rows("select count(*) as songs, count(distinct genre) as genres from marts.clean_tracks")
        return size

    def once(self, name: str, compute: Callable[["Snapshot"], Any]) -> Any:
        """What `compute` gives of this copy, computed the first time."""
        if name not in self._once:
            self._once[name] = compute(self)
        return self._once[name]

    def _shown_model(self) -> ShownModel:
        """What may be shown with the songs. Which tracks they are is not computed anew, for that takes seconds.

        `publish` has done so: it leaves as published the one run of exactly these tracks, or none.
        """
        digests = self.may_have("select tracks_digest from ml.model_runs where is_published") or self.may_have(
            "select tracks_digest from ml.verdicts where dataset = ? order by decided_at desc limit 1", [self.dataset]
        )
        digest = str(digests[0]["tracks_digest"]) if digests else ""
        return shown_model(self._connection, Build(self.dataset, self._songs_are_synthetic, digest, None))

    def _run(self, run_id: str | None) -> dict[str, Any] | None:
        runs = self.rows("select * from ml.model_runs where run_id = ?", [run_id]) if run_id else []
        return runs[0] if runs else None

    def _lent(self) -> dict[str, Any] | None:
        """The run of another dataset whose model named the genres of songs that have none."""
        runs = self.may_have(
            "select * from ml.model_runs where run_id = (select any_value(run_id) from ml.song_predictions)"
        )
        return runs[0] if runs else None

    def _read_songs(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("use published")
            columns = {row[0] for row in cursor.execute("describe marts.clean_tracks").fetchall()}
            first = "popularity desc nulls last, " if "popularity" in columns else ""
            cursor.execute(
                f"""
                create table memory.main.songs as
                select (row_number() over (order by {first}spotify_track_id) - 1)::integer as row,
                    spotify_track_id, song_name, artist_name, genre,
                    strip_accents(lower(concat_ws(' ', song_name, artist_name))) as words,
                    {", ".join(f"{name}::double as {name}" for name in AUDIO_FEATURES)}
                from marts.clean_tracks order by row
                """
            )

    def _read_sounds(self) -> "tuple[np.ndarray, np.ndarray]":
        import numpy as np

        from ml.clusters import COMPARED, standardised

        with self._connection.cursor() as cursor:
            table = cursor.execute(f"select {', '.join(COMPARED)} from memory.main.songs order by row").df()
        sounds = standardised(table).to_numpy(np.float32)
        return sounds, np.einsum("ij,ij->i", sounds, sounds)

    def _load_model(self) -> "Model":
        from ml.dataset import ModelError
        from ml.model_file import load

        if self.model_path is None:
            raise ModelError(self.finding)
        return load(self.model_path)


class Published:
    """The published copy at `path`, whichever file lies there: ask for it once per request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opening = threading.Lock()
        self._current: tuple[State, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """The copy that lies there now. Raises `WarehouseMissing` or `WarehouseError`."""
        state = state_of(self.path)
        if state is None:
            raise WarehouseMissing(f"No songs are published yet: there is no {self.path.name}.")
        current = self._current
        if current and current[0] == state:
            return current[1]
        with self._opening:
            state = state_of(self.path)
            if state and self._current and self._current[0] == state:
                return self._current[1]
            snapshot = Snapshot(self.path)
            if state == state_of(self.path) and state is not None:
                self._current = state, snapshot
            return snapshot
