"""How a failure is told: the cause in a sentence with what to do, in the console and in Dagster's interface alike.

Belongs here: which errors are a user's to mend, and their way into Dagster. Not here: the sentences, which those who
raise them write. Dagster and scikit-learn are imported where they are needed: the console script should start without.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb


def _user_errors() -> tuple[type[Exception], ...]:
    """The errors that a user can cause and mend: the message is all there is to read."""
    from extract.fetch import FetchError
    from extract.settings import CrawlError
    from extract.song_files import SongFileError
    from ml.dataset import ModelError
    from warehouse.files import OutputError, WarehouseError
    from warehouse.raw import UnknownDataset
    from warehouse.spark import SparkUnavailable

    return (
        CrawlError, FetchError, ModelError, OutputError, SongFileError, SparkUnavailable, UnknownDataset,
        WarehouseError,
    )  # fmt: skip


def sentence(error: BaseException | None) -> str | None:
    """What to tell a user of `error`, or None where it is a fault of the program, whose traceback is wanted.

    A failure raised by Dagster is judged by its cause.
    """
    if error is None:
        return None
    if isinstance(error, _user_errors()):
        return str(error)
    no_space = getattr(error, "errno", None) == errno.ENOSPC
    if no_space or (isinstance(error, duckdb.Error | OSError) and "No space left on device" in str(error)):
        return (
            f"The disk is full ({error}). What was landed and published before is as it was. Free some space, then run "
            "the same again."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"The memory that DuckDB may use does not suffice ({str(error).splitlines()[0]}). In a file of songs a "
            "column of long texts, such as lyrics, is the usual cause: write the file without it, and run the same "
            "again. What was landed and published before is as it was."
        )
    refused = getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
    if refused or (isinstance(error, duckdb.IOException) and "Permission denied" in str(error)):
        where = Path(str(getattr(error, "filename", None) or "")).absolute() if refused else "the database"
        return (
            f"There is no permission to use {where} ({error}). Change who may read and write there, or work in another "
            "folder."
        )
    failed = getattr(error, "errno", None) in (errno.EIO, errno.EINTR)
    if failed or isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.TransactionException):
        return (
            f"A file could not be written or read ({str(error).splitlines()[0]}). What was landed and published before "
            "is as it was. Look at the disk, then run the same again."
        )
    return sentence(error.__cause__)


def is_suspended(error: BaseException | None) -> bool:
    """Whether `error` is, or comes from, a crawl that stopped in good order and goes on later."""
    from extract.crawl import CrawlSuspended

    return error is not None and (isinstance(error, CrawlSuspended) or is_suspended(error.__cause__))


@contextmanager
def told_as(make: Callable[[str, Exception], Exception]) -> Iterator[None]:
    """Within the block, an error that a user can mend becomes what `make` makes of its sentence and of itself."""
    try:
        yield
    except Exception as error:
        words = sentence(error)
        if words is None:
            raise
        raise make(words, error) from error


def told_in_a_sentence() -> AbstractContextManager[None]:
    """Within a step: an error that a user can mend becomes a `dagster.Failure` whose description is the sentence.

    Dagster shows the description above the traceback, and does not try the step again.
    """
    import dagster as dg

    return told_as(lambda words, _: dg.Failure(description=words, allow_retries=False))
