"""How a file was read, as it is told: on the screen, and in Dagster beside what was landed.

Belongs here: what is told, in an order that can be read at once. Not here: what was decided (extract/song_files), and
how it looks (screens.py).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extract.song_files import SongFile


@dataclass(frozen=True)
class FileReading:
    """What became of a file's columns.

    `columns` are the column, our field, and what was done to its values; `unknown` are audio features (or else
    what a model reads) that the file does not have, `others` its columns that are no field of ours; `notes` and
    `warnings` are sentences. `problem_rows` is the number of rows that cannot be used, and `problems` are the first of
    them.
    """

    columns: list[tuple[str, str, str]]
    unknown: list[str]
    others: list[str]
    notes: list[str]
    warnings: list[str]
    problem_rows: int = 0
    problems: Sequence[str] = ()

    @classmethod
    def of(
        cls, file: "SongFile", problem_rows: int = 0, problems: Sequence[str] = (), *, unknown: list[str] | None = None
    ) -> "FileReading":
        """What is told of a file. `unknown` is what a model reads and the file does not have, if a model reads it."""
        columns = [(use.column, use.field, use.done) for use in file.uses]
        notes, warnings = list(file.notes), list(file.warnings)
        unknown = file.unknown if unknown is None else unknown
        return cls(columns, unknown, file.other_columns, notes, warnings, problem_rows, problems)

    @classmethod
    def of_json(cls, text: str) -> "FileReading":
        """What `as_json` wrote."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """The same as text."""
        return json.dumps(asdict(self), ensure_ascii=False)
