"""What a person says of a song file: which column is which, its units, and what is done with its genres.

Belongs here: the options that run, import, clean, predict and the drop folder share, from text and as text. Not here:
what follows from them (layouts.py, readings.py).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from extract.song_files.errors import SongFileError
from warehouse.files import for_shell


@dataclass(frozen=True)
class ReadingOptions:
    """How a file is to be read where it does not say so itself.

    `mapping` is our field -> the file's column; `units` our field -> its unit (or, of artist_name and genre, what
    separates several in one cell). With `all_genres` each genre of a cell makes a listing, not the first alone; with
    `merge_genres` genres that differ in case, spaces and marks alone are one.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    all_genres: bool = False
    merge_genres: bool = False

    @classmethod
    def of_texts(
        cls,
        mapping: Iterable[str] | None = None,
        units: Iterable[str] | None = None,
        *,
        all_genres: bool = False,
        merge_genres: bool = False,
    ) -> "ReadingOptions":
        """Options as the command line gives them: texts such as `genre=style`, several in one being possible.

        Raises `SongFileError` for a text that is no such pair.
        """
        return cls(_pairs("--map", mapping), _pairs("--unit", units), all_genres, merge_genres)

    @classmethod
    def of_json(cls, text: str) -> "ReadingOptions":
        """Options as `as_json` wrote them."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """The options as a text that is the same for the same options."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    def __bool__(self) -> bool:
        return self != ReadingOptions()

    def as_arguments(self) -> str:
        """The options as a command has them, quoted for the shell, with a space before each."""
        pairs = [("--map", *pair) for pair in self.mapping.items()] + [("--unit", *pair) for pair in self.units.items()]
        flags = [" --all-genres"] * self.all_genres + [" --merge-genres"] * self.merge_genres
        return "".join([*(f" {option} {for_shell(f'{name}={value}')}" for option, name, value in pairs), *flags])


EXAMPLES = {"--map": "field=column, such as genre=style", "--unit": "field=unit, such as duration=s"}


def _pairs(option: str, texts: Iterable[str] | None) -> dict[str, str]:
    """Our field -> what is said of it; `make run` gives several pairs in one text."""
    pairs = [pair.partition("=") for text in texts or [] for pair in re.split(r"[\s,;]+(?=[a-z_]+=)", text.strip())]
    for name, equals, value in pairs:
        if not (name.strip() and equals and value):
            raise SongFileError(f"{option} takes {EXAMPLES[option]}; got {name + equals + value!r}.")
    return {name.strip(): value for name, _, value in pairs}
