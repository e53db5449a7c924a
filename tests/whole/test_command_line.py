"""Every subcommand as a user calls it: exit codes, one clear line for what is wrong, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from calibration.certificate_text import certificate_text
from gateway.cli.main import COMMANDS
from tests.whole.bench import oven_statement
from tests.whole.installed import COMMAND, ROOT, command, instrument, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.publisher.mosquitto import Mosquitto
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

NOBODY = "tcp://127.0.0.1:1"


def test_every_command_explains_itself() -> None:
    """The list of commands and each one's own help are printed, with exit 0."""
    done = command("--help")
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout
        helped = command(name, "--help")
        assert (helped.returncode, f"usage: spingate {name}" in helped.stdout) == (0, True), helped.stderr
    assert command("--version").stdout.startswith("spingate ")


@pytest.mark.parametrize("words", [
    (), ("fly",), ("run", "--config", "/nonexistent.toml"), ("publish", "--config", "/nonexistent.toml"),
    ("check", "--config", "/"), ("status", "--config", "/nonexistent.toml"),
    ("read", "twinleaf"), ("read", "compass", "--port", NOBODY), ("read", "twinleaf", "--port", "COM1"),
    ("read", "eurotherm-3200", "--port", NOBODY, "--unit", "300"),
    ("read", "twinleaf", "--port", NOBODY, "--seconds", "nan"),
    ("read", "twinleaf", "--port", NOBODY, "--certificate", "/nonexistent.toml"),
    ("verify", "/nonexistent", "--key", "/nonexistent"), ("keys", "show", "/nonexistent"), ("keys",),
    ("hil",), ("hil", "compass", "--tcp", "0"), ("hil", "twinleaf"), ("hil", "twinleaf", "--tcp", "99999"),
    ("hil", "twinleaf", "--tcp", "0", "--scene", "moon"), ("hil", "twinleaf", "--link", "/nonexistent/x"),
    ("export", "minus", "--out", "x"), ("export", "9" * 30, "--out", "x"), ("demo", "--broker", "nowhere"),
])
def test_words_that_cannot_be_obeyed_exit_with_two_and_say_why(words: tuple[str, ...]) -> None:
    """Nothing is done, the reason is on standard error, and there is no traceback."""
    done = command(*words)
    assert done.returncode == 2, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("spingate"), done.stderr


def test_keys_are_made_once_shown_and_never_overwritten(tmp_path: Path) -> None:
    """A second `keys new` leaves both files as they are; the private one is closed to others and never alone."""
    key, public = tmp_path / "safe" / "gateway.key", tmp_path / "safe" / "gateway.pub.pem"
    assert command("keys", "new", key).returncode == 0
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    before = key.read_bytes(), public.read_bytes()
    again = command("keys", "new", key)
    assert (again.returncode, "never overwritten" in again.stderr) == (2, True), again.stderr
    assert (key.read_bytes(), public.read_bytes()) == before
    shown = [json.loads(command("keys", "show", path, "--json").stdout) for path in (key, public)]
    assert shown[0] == shown[1]
    assert b"PRIVATE" not in public.read_bytes()
    key.unlink()
    assert command("keys", "new", key).returncode == 2
    assert public.read_bytes() == before[1]
    assert not key.exists(), "a private key was left without its public half"
    key.write_bytes(before[0])
    key.chmod(0o644)
    assert "chmod 0600" in command("keys", "show", key).stderr


def test_check_tells_good_from_bad_and_every_failure_has_its_remedy(
    bench: Bench, broker: Mosquitto, site: Installed
) -> None:
    """Exit 0 on a gateway that is fit to work, 1 where something fails, and each FAIL or WARN says what to do."""
    (site.folder / "oven.toml").write_text(certificate_text(oven_statement(time.time())))
    site.broker = broker.port
    oven = bench.stand("eurotherm-3200")
    site.configure(instrument("oven", "eurotherm-3200", oven, serial="3216-EMULATED", certificate="oven.toml"))
    good = findings(site, 0)
    assert not [one for one in good if one["word"] == "FAIL"], good
    subjects = {one["subject"] for one in good}
    assert subjects >= {"configuration", "clock", "key", "oven port", "oven certificate", "model", "broker"}
    site.broker = 1
    (site.folder / "gateway.key").chmod(0o640)
    (site.folder / "bad.toml").write_text("nothing")
    site.configure(
        '[detection]\nmodel_dir = "no-model"\n',
        instrument("oven", "eurotherm-3200", NOBODY, certificate="bad.toml"),
        instrument("lane", "twinleaf", site.folder / "no-port", certificate="no.toml"),
    )
    bad = findings(site, 1)
    failed = {one["subject"] for one in bad if one["word"] == "FAIL"}
    assert failed >= {"key", "broker", "oven port", "lane port", "oven certificate", "lane certificate"}, bad
    assert not site.journal.parent.exists(), "check left something behind"


def findings(site: Installed, code: int) -> list[dict[str, Any]]:
    """Return what `check --json` found, each with a remedy where it is not OK."""
    done = site.command("check", "--config", site.config, "--json")
    assert done.returncode == code, done
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [one for one in found if one["word"] != "OK" and not one["fix"]] == []
    return found


def test_status_export_and_verify_answer_for_a_running_gateway_and_for_one_that_is_not(
    bench: Bench, broker: Mosquitto, site: Installed
) -> None:
    """Status 2 without a gateway; with one, its instruments; a record's proof verifies, and a flipped byte is named."""
    site.broker = broker.port
    (site.folder / "oven.toml").write_text(certificate_text(oven_statement(time.time())))
    oven = instrument("oven", "eurotherm-3200", bench.stand("eurotherm-3200"), poll_ms=100,
                      serial="3216-EMULATED", certificate="oven.toml")
    head = instrument("head", "nqr-head", bench.stand("nqr-head"))
    site.configure(oven, head)
    absent = site.command("status", "--config", site.config)
    assert (absent.returncode, "no running gateway answers" in absent.stderr) == (2, True), absent
    core, publisher = site.started("run"), site.started("publish")
    wait_until(lambda: "process_value" in site.command("status", "--config", site.config).stdout, 10, "a value")
    wait_until(lambda: "publisher connected" in site.command("status", "--config", site.config).stdout, 10, "a broker")
    told = json.loads(site.command("status", "--config", site.config, "--json").stdout)
    assert {one["name"]: one["calibrated"] for one in told["core"]["instruments"]}["oven"]
    assert told["publisher"]["state"] == "connected"
    for words, code, word in ((("nose",), 2, "must be one of: head"), (("--label", "ü" * 200), 2, "256 bytes"),
                              (("--container", "CSQU3054384"), 2, "the check digit of CSQU305438 is 3"),
                              (("--container", "CSQU3054383", "--hs6", "360200"), 0, "has begun")):
        done = site.command("scan", "start", "--config", site.config, *words)
        assert (done.returncode, word in done.stdout + done.stderr) == (code, True), done
    wait_until(lambda: any(record.kind == "verdict" for record in site.records()), 20, "a verdict")
    live = site.command("verify", site.journal, "--key", site.public)
    assert (live.returncode, "\x1b" in live.stdout) == (0, False), "colour belongs on a terminal"
    assert publisher.stop() == 0
    assert core.stop() == 0     # last, so that SQLite folds the write-ahead log into the one file
    gone = site.command("status", "--config", site.config)
    assert gone.returncode == 2
    check_proof(site)
    check_flipped(site)


def check_proof(site: Installed) -> None:
    """Export a record; the file verifies with the public key alone, and not after a flip; nothing is overwritten."""
    proof = site.folder / "record.proof"
    export = ("export", "3", "--config", site.config, "--out", proof)
    assert site.command(*export).returncode == 0
    assert site.command(*export).returncode == 2
    assert site.command("verify", proof, "--key", site.public).returncode == 0
    missing = site.command("export", "999999", "--config", site.config, "--out", site.folder / "none")
    assert (missing.returncode, (site.folder / "none").exists()) == (2, False), missing.stderr
    data = bytearray(proof.read_bytes())
    data[len(data) // 2] ^= 1
    proof.write_bytes(data)
    assert site.command("verify", proof, "--key", site.public).returncode in {1, 2}
    other = site.folder / "other.key"
    assert site.command("keys", "new", other).returncode == 0
    assert site.command("verify", site.journal, "--key", other.with_suffix(".pub.pem")).returncode == 1
    assert site.command("verify", other, "--key", site.public).returncode == 2


def check_flipped(site: Installed) -> None:
    """Flip one byte of one record in the file: verify exits 1 and names its index."""
    wanted = 5
    message = site.messages()[wanted]
    data = site.journal.read_bytes()
    at = data.find(message[:200]) + 150
    assert at > 150, "the record does not lie in one piece"
    site.journal.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1:])
    done = site.command("verify", site.journal, "--key", site.public, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["status"], found["first_bad"]) == (1, "invalid", wanted), found
    plain = site.command("verify", site.journal, "--key", site.public)
    assert f"first bad record: {wanted}" in plain.stdout


@pytest.mark.parametrize(("driver", "serial"), [
    ("twinleaf", False), ("twinleaf", True), ("eurotherm-3200", False), ("eurotherm-3200", True),
    ("nqr-head", False), ("nqr-head", True),
])
def test_read_shows_what_an_instrument_started_by_hil_says(site: Installed, driver: str, serial: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Two terminals: `spingate hil` in one, the `spingate read` that it names in the other, over pty and TCP."""
    place = ("--link", str(site.run / "port")) if serial else ("--tcp", "0")
    emulated = subprocess.Popen([*COMMAND, "hil", driver, *place, "--json"], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert emulated.stdout is not None
        port = json.loads(emulated.stdout.readline())["port"]
        done = command("read", driver, "--port", port, "--seconds", "1.8", "--json")
        said = json.loads(done.stdout)
        assert done.returncode == 0, done
        assert said["readings"], said
        assert all(value["unit"] for reading in said["readings"] for name, value in reading["channels"].items()
                   if name != "state"), said["readings"][0]
        if driver == "eurotherm-3200":
            plain = command("read", driver, "--port", port, "--seconds", "1")
            assert "(uncalibrated)" in plain.stdout, plain.stdout
    finally:
        emulated.send_signal(signal.SIGINT)
        assert emulated.wait(10) == 0
    assert not os.path.lexists(site.run / "port")


def test_read_says_what_is_wrong_with_a_port_and_exits_with_one(bench: Bench, tmp_path: Path) -> None:
    """Nobody there, a folder, a file, or another instrument: a fault or a hint, exit 1, no traceback."""
    (tmp_path / "file").write_text("no port")
    for driver, port in (("twinleaf", NOBODY), ("eurotherm-3200", str(tmp_path)), ("twinleaf", str(tmp_path / "file")),
                         ("nqr-head", bench.stand("eurotherm-3200")), ("eurotherm-3200", bench.stand("twinleaf"))):
        done = command("read", driver, "--port", port, "--seconds", "0.8")
        assert (done.returncode, done.stderr) == (1, ""), done
        assert "fault: " in done.stdout, done.stdout
        assert "nothing that could be read" in done.stdout


def test_hil_lists_what_it_can_be() -> None:
    """The list for people and the one for programs name the same instruments and scenes."""
    plain, listed = command("hil", "--list"), json.loads(command("hil", "--list", "--json").stdout)
    assert plain.returncode == 0
    assert [line.split()[0] for line in plain.stdout.splitlines()] == [one["name"] for one in listed]
    assert all(scene in plain.stdout for one in listed for scene in one["scenes"])


def test_a_reader_that_leaves_is_no_error(site: Installed) -> None:
    """`spingate hil --list | head -0` ends in silence."""
    words = " ".join((*COMMAND, "hil", "--list"))
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words} | true"], capture_output=True, text=True, cwd=ROOT,
                          check=False)
    assert done.stderr == ""
    assert sys.executable in words
