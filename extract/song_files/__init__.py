"""Song files: the one reader for everything that takes a person's file (import, clean, predict, the drop folder).

`read` puts a file's rows into a table of DuckDB, each value as the file's own text, and says which column is which and
how it is read. In order: kinds.py and containers.py (what it is, and which tables it has), archives.py and encodings.py
(each as a plain file), csv_dialect.py, csv_rows.py, json_rows.py, xlsx_rows.py, parquet_rows.py and fma_rows.py (its
rows), staging.py (all rows as one table), layouts.yml and layouts.py (its columns), refusals.py (what it lacks),
number_columns.py and name_columns.py (its values, with units.py and texts.py), reading.py (all of it, and what cannot
be used). options.py is what a person says of the file. Not here: what is made of the rows (dumps.py, cleaning.py,
ml/scoring.py), and any judgement of a row, which is the dbt project's.
"""

from extract.song_files.containers import Container, contained, file_around, standard_input
from extract.song_files.errors import ListeningHistory, OnlySongs, SongFileError
from extract.song_files.fma_rows import genre_tree
from extract.song_files.layouts import CLEAN, IMPORT, PREDICT, SONGS, Layout, Purpose
from extract.song_files.options import ReadingOptions
from extract.song_files.reading import ColumnUse, SongFile, read, require_usable

__all__ = [
    "CLEAN", "IMPORT", "PREDICT", "SONGS", "ColumnUse", "Container", "Layout", "ListeningHistory", "OnlySongs",
    "Purpose", "ReadingOptions", "SongFile", "SongFileError", "contained", "file_around", "genre_tree", "read",
    "require_usable", "standard_input",
]  # fmt: skip
