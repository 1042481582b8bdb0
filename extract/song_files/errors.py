"""What is wrong with a song file, told to the person whose file it is.

Belongs here: the errors alone. Not here: the sentences, which those who raise them write.
"""

from warehouse.files import for_shell


class SongFileError(ValueError):
    """A song file that cannot be used; the message says what is wrong, where, and what to do."""


class OnlySongs(SongFileError):
    """A file that names songs, but lacks their genres or how they sound: a list of songs, and no dump."""


class SeveralTables(SongFileError):
    """Tables with different columns in one file; `one` is the path of the one that is most likely meant."""

    def __init__(self, message: str, one: str) -> None:
        super().__init__(message)
        self.one = one


class ListeningHistory(SongFileError):
    """A file of Spotify's that says which songs a person played or kept, and not how they sound."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is Spotify's listening history or library: which songs you played, not how they sound.\n"
            f"To find how they sound, and which genres that is: song-genres run --input {for_shell(name)}"
        )
