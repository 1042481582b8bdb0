"""Files that were dropped on the page: taken in, scored by a process of their own, kept for a while, and removed.

Belongs here: what is allowed (bytes, seconds, how many at once) and where a file lies meanwhile. Not here: what is read
in it, which is the process's (orchestration/dropped.py), and what the page shows.
"""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAXIMUM_BYTES = 100 << 20
AT_ONCE = 2
RECEIVE_SECONDS = 300.0
SCORE_SECONDS = 180.0
KEPT = 10
KEPT_SECONDS = 1800.0
LONGEST_NAME = 100
PREFIX = "song-genres-page-"


class Refused(Exception):
    """A file that is not taken: the message says why, `status` is HTTP's for it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Dropped:
    """A file that was dropped: its name, how many songs have been scored so far, and the result once there is one.

    `result` is what orchestration/dropped.py wrote; its key `error` has the reason where the file cannot be used.
    """

    token: str
    name: str
    folder: Path
    songs: int = 0
    result: dict[str, Any] | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def scored(self) -> Path | None:
        """All its songs with their genres, as CSV."""
        path = self.folder / "scored.csv"
        return path if self.result and "error" not in self.result and path.exists() else None


def plain_name(name: str) -> str:
    """The last part of a file's name, of letters that can be shown; no path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(sign for sign in last if sign.isprintable()).strip()
    return shown[-LONGEST_NAME:] or "The file"


class DropFolder:
    """The files of one server, in a folder that nobody else can read; `close` removes all.

    `scorer` is the command that scores a file: it is given the folder that holds it, the model's file, and its name.
    """

    def __init__(self, scorer: Sequence[str], *, score_seconds: float = SCORE_SECONDS) -> None:
        self._scorer = scorer
        self._score_seconds = score_seconds
        _remove_dead()
        made = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}"))  # of mode 700
        self._lock = _locked(made)  # held until this process ends, however it does
        self._folder = made.rename(made.with_name(made.name.removeprefix("new-")))
        self._files: dict[str, Dropped] = {}
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, token: str) -> Dropped | None:
        """The file of that token, unless it has been removed."""
        self._remove_old()
        return self._files.get(token)

    async def take(self, name: str, length: int | None, content: AsyncIterable[bytes], model: Path) -> Dropped:
        """Store what comes in and begin to score it. Raises `Refused`: too large, too slow, or too many at once."""
        too_large = Refused(413, f"The file is larger than {MAXIMUM_BYTES >> 20} MiB, the most that the page takes.")
        if length is not None and length > MAXIMUM_BYTES:
            raise too_large
        if self._busy >= AT_ONCE:
            raise Refused(503, f"{AT_ONCE} files are being read already. Try again when one of them is done.")
        self._busy += 1
        try:
            self._remove_old()
            token = secrets.token_urlsafe(18)
            folder = self._folder / token
            (folder / "spill").mkdir(parents=True)
            file = Dropped(token, plain_name(name), folder)
            try:
                async with asyncio.timeout(RECEIVE_SECONDS):
                    await _store(content, folder / "songs", too_large)
            except TimeoutError:
                raise Refused(408, "The file did not arrive in time. Try again.") from None
            self._files[token] = file
            task = asyncio.create_task(self._score(file, model))
        except BaseException:
            self._busy -= 1
            if "folder" in locals():
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return file

    async def _score(self, file: Dropped, model: Path) -> None:
        process = None
        result: dict[str, Any] = {"error": f"{file.name} was not read to its end."}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._scorer, str(file.folder), str(model), file.name,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=os.environ | {"TMPDIR": str(file.folder / "spill")}, start_new_session=True,
            )  # fmt: skip
            assert process.stdout
            async with asyncio.timeout(self._score_seconds):
                async for line in process.stdout:
                    file.songs = int(line)
                await process.wait()
            result = json.loads((file.folder / "result.json").read_text(encoding="utf-8"))
        except TimeoutError:
            result = {"error": f"{file.name} took longer than {self._score_seconds:.0f} s to read, so it was stopped."}
        except (OSError, ValueError):  # it was killed, or the disk is full
            result = {"error": f"{file.name} could not be read to its end: its process was stopped."}
        finally:
            if process and process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            self._busy -= 1
            (file.folder / "songs").unlink(missing_ok=True)
            shutil.rmtree(file.folder / "spill", ignore_errors=True)
            file.result = result

    def remove(self, token: str) -> None:
        """Remove what is kept of a file."""
        if file := self._files.get(token):
            if file.result is None:
                return  # removed when it is old
            del self._files[token]
            shutil.rmtree(file.folder, ignore_errors=True)

    def _remove_old(self) -> None:
        done = [file for file in self._files.values() if file.result]
        old = [file for file in done if time.monotonic() - file.since > KEPT_SECONDS]
        for file in {file.token: file for file in [*old, *done[: -KEPT or None]]}.values():
            self.remove(file.token)

    async def close(self) -> None:
        """Stop what is being read, and remove all."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _locked(folder: Path) -> int | None:
    """Our lock on a folder of our own; None where another process holds it, or it is not ours."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(lock).st_uid != os.geteuid():
            raise OSError
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_dead() -> None:
    """Remove what servers left that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


async def _store(content: AsyncIterable[bytes], path: Path, too_large: Refused) -> None:
    size = 0
    with path.open("wb") as file:
        async for part in content:
            size += len(part)
            if size > MAXIMUM_BYTES:
                raise too_large
            file.write(part)
    if not size:
        raise Refused(400, "The file is empty.")
