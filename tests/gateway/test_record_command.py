"""`spingate record` keeps what passed on a real line, and what it kept replays to the same samples."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from drivers.capture import CaptureHeader, Chunk, parse_capture
from gateway.recorder import FileTaken, Recorder
from tests.whole.bench import Bench
from tests.whole.installed import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = CaptureHeader("twinleaf", None, "a test")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a bench for emulated instruments."""
    with Bench() as running:
        yield running


@pytest.mark.parametrize(("name", "place"), [("twinleaf", "pty"), ("twinleaf", "tcp"), ("eurotherm-3200", "pty")])
def test_what_was_recorded_replays_to_samples_that_say_so(
    bench: Bench, tmp_path: Path, name: str, place: str,
) -> None:
    """Recorded from a pty or over TCP, read back through the driver: who spoke, how fast, and flagged as replayed."""
    port = bench.stand(name, 0 if place == "tcp" else tmp_path / "line")
    out = tmp_path / "x.capture"
    words = ("--driver", name, "--seconds", "1.5", "--out", str(out), "--poll-ms", "250", "--json")
    done = command("record", port, *words)
    assert done.returncode == 0, done
    said = json.loads(done.stdout)
    assert said["samples"] >= 3
    capture = parse_capture(out.read_text())
    assert capture.header.poll_s == 0.25
    assert (capture.header.line is None) == (place == "tcp")
    assert capture.header.made.endswith("Z")
    assert ("SIM" in capture.header.device) == (name == "twinleaf")
    assert sum(len(one.data) for one in capture.chunks if one.from_device) == said["bytes_from_device"]
    assert list(tmp_path.glob(".*")) == []
    read = command("read", name, "--port", f"file:{out}", "--json")
    assert read.returncode == 0, read
    heard = json.loads(read.stdout)
    assert heard["readings"]
    assert all("replayed" in one["flags"] for one in heard["readings"])
    assert [one["kind"] for one in heard["faults"]][-1] == "end of recording"


def test_another_file_is_never_written_over_unasked(bench: Bench, tmp_path: Path) -> None:
    """Refused before anything is opened; with --force the new one takes its place."""
    out = tmp_path / "x.capture"
    out.write_text("mine")
    words = ("record", bench.stand("twinleaf", tmp_path / "line"), "--driver", "twinleaf", "--out", str(out))
    refused = command(*words)
    assert (refused.returncode, out.read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    assert command(*words, "--seconds", "0.5", "--force").returncode == 0
    assert parse_capture(out.read_text()).chunks


def test_a_silent_port_leaves_no_file(tmp_path: Path) -> None:
    """Exit 1, the reason is printed, and there is no capture of nothing."""
    out = tmp_path / "x.capture"
    done = command("record", str(tmp_path / "none"), "--driver", "twinleaf", "--seconds", "0.5", "--out", str(out))
    assert done.returncode == 1
    assert "port missing" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [
    ("record", "file:x", "--driver", "twinleaf"), ("record", "/dev/none", "--driver", "compass"),
    ("record", "/dev/none", "--driver", "twinleaf", "--set", "colour=1"),
    ("record", "/dev/none", "--driver", "twinleaf", "--set", "colour"),
    ("record", "COM1", "--driver", "twinleaf"),
])
def test_words_that_cannot_be_obeyed_are_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    """Exit 2, one line, no traceback and no file."""
    done = command(*words, "--out", str(tmp_path / "x"))
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    """Whoever was faster wins, and nothing is left lying beside it."""
    out = tmp_path / "x.capture"
    recorder = Recorder(out, time.monotonic_ns(), force=False)
    recorder.keep(Chunk(time.monotonic_ns(), True, b"abc" * 40_000))
    out.write_text("somebody else's")
    with pytest.raises(FileTaken):
        recorder.finish(HEADER)
    assert [path.name for path in tmp_path.iterdir()] == ["x.capture"]
    assert out.read_text() == "somebody else's"
    recorder.abandon()
