"""One command in a forked process, with one system call of it made to fail: strace's `inject`.

Belongs here: finding a command's writing calls, and failing or killing at one of them. Not here: what must hold
afterwards (system_faults.py).
"""

import os
import re
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CALLS = ("write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "rename", "renameat", "renameat2", "openat")
ERRORS = ("ENOSPC", "EIO", "EINTR")
KILL = "SIGKILL"

PROCESS = "{process}"
"""Stands in a point's path for the number of the process, which some files have in their names."""

Body = Callable[[], object]


@dataclass(frozen=True)
class Point:
    """The `number`th call (from 1, in any one thread) of `call` on the file `path` below the folder, and its fault."""

    call: str
    path: str
    number: int
    fault: str


class Ended(NamedTuple):
    """How a process ended: its exit code, negative for a signal, and all that it said."""

    code: int
    said: str


def run(folder: Path, body: Body, strace: Sequence[str] = ()) -> Ended:
    """Run `body` in a forked process in `folder`, under `strace` with these options where some are given.

    In the options, `{process}` becomes the number of the process.
    """
    ready, go = os.pipe()
    said = folder.with_name(f"{folder.name}.said")
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(go)
        with said.open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir(folder)
        os.read(ready, 1)
        os._exit(_ended_with(body))
    os.close(ready)
    tracer = None
    try:
        if strace:
            options = [option.replace(PROCESS, str(process)) for option in strace]
            tracer = subprocess.Popen(
                ["strace", "-f", "-p", str(process), *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            assert tracer.stderr is not None
            for line in tracer.stderr:  # "Process … attached"; before it, which paths are meant
                if b"attached" in line:
                    break
            else:
                raise RuntimeError("strace could not attach to the process")
    finally:
        os.write(go, b"1")
        os.close(go)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if tracer:
            tracer.communicate()
    text = said.read_text(encoding="utf-8", errors="replace")
    said.unlink()
    return Ended(code, text)


def _ended_with(body: Body) -> int:
    """The exit code, as Python would end with it."""
    try:
        body()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


_CALL = re.compile(r"^(\d+) +(\w+)\((.*)")
_OPENED = re.compile(r'AT_FDCWD(?:<[^>]*>)?, "([^"]*)", ([A-Z_|]+)')
_RENAMED = re.compile(r'"([^"]*)"')
_DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")


def writing_calls(folder: Path, body: Body) -> list[Point]:
    """The calls with which an undisturbed run of `body` writes files below `folder`, without a fault, in order."""
    log = folder.with_name(f"{folder.name}.strace")
    process = ""

    def noted() -> None:
        print(f"process {os.getpid()}")
        body()

    ended = run(folder, noted, ["-y", "-e", f"trace={','.join(CALLS)}", "-o", str(log)])
    assert ended.code == 0, ended.said
    if found := re.search(r"process (\d+)", ended.said):
        process = found[1]
    counts: Counter[tuple[str, str, str]] = Counter()
    points: dict[Point, None] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if not (call := _CALL.match(line)):
            continue
        thread, name, arguments = call.groups()
        pattern = _OPENED if name == "openat" else _RENAMED if name.startswith("rename") else _DESCRIPTOR
        if not (target := pattern.search(arguments)):
            continue
        path = Path(os.path.normpath(folder / target[1].removesuffix(" (deleted)")))
        if not path.is_relative_to(folder):
            continue
        counts[thread, name, str(path)] += 1
        if name == "openat" and not {"O_WRONLY", "O_RDWR"} & set(target[2].split("|")):
            continue
        shown = re.sub(rf"\b{process}\b", PROCESS, str(path.relative_to(folder)))
        points[Point(name, shown, counts[thread, name, str(path)], "")] = None
    log.unlink()
    return list(points)


def run_with(folder: Path, body: Body, point: Point) -> Ended:
    """Run `body` with the fault at this point."""
    what = "signal=KILL" if point.fault == KILL else f"error={point.fault}"
    return run(folder, body, [
        "-e", f"trace={point.call}", "-e", f"inject={point.call}:{what}:when={point.number}",
        "-P", str(folder / point.path), "-P", point.path, "-o", "/dev/null",
    ])  # fmt: skip


def was_killed(ended: Ended) -> bool:
    """Whether the process was killed at its point."""
    return ended.code == -signal.SIGKILL
