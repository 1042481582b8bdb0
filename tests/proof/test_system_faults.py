"""A sample of the points at which `make proof` lets a system call fail."""

import shutil
from pathlib import Path

import pytest

from tests.proof.faulted import KILL, Ended, Point
from tests.proof.system_faults import main, wrong_between, wrong_words

POINT = Point("write", "warehouse.duckdb", 1, "EIO")


def test_what_is_wrong_after_a_fault_is_seen() -> None:
    """Guards against a proof that proves nothing: a traceback, a table of half a command, a success that is none."""
    before, after = {"a": "1", "warehouse raw.tracks": '["x"]'}, {"a": "2", "warehouse raw.tracks": '["x", "y"]'}
    half, doubled = before | {"a": "0"}, before | {"warehouse raw.tracks": '["x", "x"]'}
    assert list(wrong_between(before, before, after, is_done=False)) == []
    assert list(wrong_between(before, after, after, is_done=True)) == []
    assert len(list(wrong_between(before, before, after, is_done=True))) == 2
    assert list(wrong_between(before, half, after, is_done=False)) == ["a is neither as before nor as after"]
    assert len(list(wrong_between(before, doubled, after, is_done=False))) == 1
    assert list(wrong_words(Ended(1, "Error: The disk is full."), POINT)) == []
    assert len(list(wrong_words(Ended(1, "Traceback (most recent call last):\nOSError"), POINT))) == 1
    assert len(list(wrong_words(Ended(1, ""), POINT))) == 1
    assert list(wrong_words(Ended(-9, ""), Point("write", "x", 1, KILL))) == []
    assert len(list(wrong_words(Ended(-9, ""), POINT))) == 1


@pytest.mark.full
def test_a_sample_of_writes_fails_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Guards against a traceback, and against what was landed or published before, or twice, after a failing write."""
    if not shutil.which("strace"):
        pytest.skip("needs strace, which lets system calls fail: apt-get install strace")
    monkeypatch.setattr("tests.proof.system_faults.REPORT", tmp_path / "faults.json")
    assert main(["--sample", "30", "--seed", str(seed)]) == 0
