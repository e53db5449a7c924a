"""A shipped bay under the real gateway: its printed tables as configuration, and every instrument in the journal."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.evidence.body import FaultBody, ReadingBody
from tests.whole.installed import COMMAND, ROOT, command, instrument, of_instrument, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.whole.installed import Installed

START_S_MAX = 20.0
LOOK_S = 1.0


@contextmanager
def printed(*words: str | Path, until: str) -> Iterator[str]:
    """Run `spingate hil WORDS` and give what it prints up to a line that contains `until`."""
    process = subprocess.Popen([*COMMAND, "hil", *words], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        yield read_until(process, until)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(START_S_MAX) == 0
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[bytes], until: str) -> str:
    """Return the output so far, once it contains `until`."""
    assert process.stdout is not None
    text, end = b"", time.monotonic() + START_S_MAX
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while until.encode() not in text:
            if not waiting.select(end - time.monotonic()):
                pytest.fail(f"not printed: {until}; but {text!r}")
            piece = os.read(process.stdout.fileno(), 65_536)
            assert piece, text
            text += piece
    return text.decode()


def kinds(site: Installed) -> list[str]:
    """Return the kinds of the faults in the journal."""
    return [one.body.kind for one in site.records() if isinstance(one.body, FaultBody) and one.body.name == "oven"]


def readers(site: Installed) -> set[str]:
    """Return the instruments that have a reading in the journal."""
    return {one.body.instrument for one in site.records() if isinstance(one.body, ReadingBody)}


@pytest.mark.timeout(180)  # measured 12 to 40 s, 117 s at a load of 20: six instruments and a whole core
def test_a_gateway_reads_the_shipped_bay_as_its_printed_configuration_says(site: Installed, tmp_path: Path) -> None:
    """Every instrument of the bay has readings in a journal that verifies."""
    folder = tmp_path / "bay"
    folder.mkdir()
    with printed("--bay", "screening", "--dir", folder, "--config", until="emulated instruments") as tables:
        site.configure(tables)
        core = site.started("run")
        while not readers(site) >= {"lane-left", "lane-right", "oven-head", "oven-lane", "clock"}:
            time.sleep(LOOK_S)      # looking costs the core time
        core.process.send_signal(signal.SIGTERM)
        assert core.ended(START_S_MAX) == 0
    assert site.verify().status == "valid"
    assert list(folder.iterdir()) == []


def test_a_recording_in_the_gateway_is_signed_as_a_recording(site: Installed) -> None:
    """Each reading in the journal carries the flag, and the journal says when it began and that it ended."""
    capture = ROOT / "hil" / "captures" / "eurotherm-3200.capture"
    site.configure(instrument("oven", "eurotherm-3200", f"file:{capture}?fast"))
    core = site.started("run")
    wait_until(lambda: "end of recording" in kinds(site), 20.0, "its end")
    core.process.send_signal(signal.SIGTERM)
    assert core.ended(START_S_MAX) == 0
    bodies = [one.body for one in of_instrument(site.records(), "oven")]
    readings = [one for one in bodies if isinstance(one, ReadingBody)]
    assert len(readings) == 2
    assert all("replayed" in one.flags for one in readings)
    assert kinds(site) == ["replay", "no answer", "end of recording"]
    assert site.verify().status == "valid"


@pytest.mark.parametrize("name", ["eurotherm-3200", "geometrics", "twinleaf"])
def test_a_capture_plays_the_device_to_the_instruments_driver(tmp_path: Path, name: str) -> None:
    """`spingate hil --replay` on a pty is read like the device it was recorded from."""
    capture = ROOT / "hil" / "captures" / f"{name}.capture"
    link = tmp_path / "line"
    with printed("--replay", capture, "--link", link, until="read it with"):
        read = command("read", name, "--port", str(link), "--seconds", "4", "--json")
    assert read.returncode == 0, read
    assert '"readings":[{' in read.stdout


def test_words_for_a_bay_that_cannot_be_obeyed_exit_with_two(tmp_path: Path) -> None:
    """One line says why; nothing is started."""
    (tmp_path / "x.toml").write_text("x")
    (tmp_path / "x.capture").write_text("x")
    link = ("--link", tmp_path / "line")
    for words in (("--bay", tmp_path / "x.toml"), ("--replay", tmp_path / "x.capture", *link),
                  ("twinleaf", *link, "--fault", "melt"), ("eurotherm-3200", "--tcp", "0", "--fault", "flip:0.1")):
        done = command("hil", *words)
        assert done.returncode == 2, (words, done)
        assert done.stderr.strip().startswith("spingate"), done.stderr
        assert "Traceback" not in done.stderr
