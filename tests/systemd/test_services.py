"""Both services under a real systemd, installed as the document says, killed in every way that a box at a border is.

The units are the shipped ones; installation.py names the drop-ins. The tests run in order, on one container.
"""

from __future__ import annotations

import os
import re
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.evidence.keys import load_public
from gateway.evidence.reader import BATCH_MAX, JournalReader
from gateway.evidence.verify import verify_file, verify_record
from tests.systemd import installation
from tests.systemd.container import Container, seen_by, until
from tests.systemd.installation import READY_S_MAX, follow, heard, publisher_backlog, status
from tests.systemd.stopped_thread import StoppedThread, busiest_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.evidence.keys import PublicKeys

pytestmark = pytest.mark.timeout(120)  # the first test also pays for the installation

CORE, PUBLISHER = "spingate", "spingate-publish"
JOURNAL = "/var/lib/spingate/journal.db"
SECRET = "/home/secret"  # noqa: S105  # a path
VERDICT_S_MAX = 30.0
HUNG_S_MAX = 40.0        # ten until the writer counts as stuck, six of the watchdog, and a busy machine
ARRIVAL_S_MAX = 15.0
HARMLESS = {"full", "null", "ptmx", "random", "tty", "urandom", "zero"}  # what PrivateDevices= leaves, systemd.exec(5)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Give a container in which everything is installed and both services run."""
    folder = tmp_path_factory.mktemp("box")
    with Container(folder, installation.binds()) as container:
        container.write(SECRET, "not for services")
        installation.stand_in_environment(container)
        follow(container, "Programs, users, units")
        follow(container, "Signing key")
        follow(container, "Configuration")
        installation.build_bay(container)
        installation.start_broker(container)
        installation.configure(container, folder)
        follow(container, "Check")
        follow(container, "Start")
        yield container


@pytest.fixture
def public(box: Container, tmp_path: Path) -> PublicKeys:
    """Give the gateway's public key, the only thing a verifier has."""
    file = tmp_path / "gateway.pub.pem"
    file.write_text(box.inside("cat", "/etc/spingate/gateway.pub.pem").stdout)
    return load_public(file)


def is_back(box: Container, unit: str, restarts: int) -> bool:
    """Tell whether systemd has restarted a service so many times and it has said READY again."""
    return box.shows(unit, "NRestarts") == str(restarts) and box.shows(unit, "SubState") == "running"


def restarts(box: Container, unit: str) -> int:
    """Return how often systemd has restarted a service."""
    return int(box.shows(unit, "NRestarts"))


def process_status(pid: int) -> dict[str, str]:
    """Return /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def test_both_services_say_ready_and_the_whole_document_holds(box: Container) -> None:
    """Following docs/installation.md gives a gateway in which nothing needs a technician."""
    for unit in (CORE, PUBLISHER):
        assert (box.shows(unit, "Type"), box.shows(unit, "ActiveState")) == ("notify", "active"), box.log(unit)
        assert restarts(box, unit) == 0, box.log(unit)
    until(lambda: bool(heard(box, "/record/verdict")), "the verdict on the first scan", VERDICT_S_MAX)
    said = follow(box, "See that it works")
    assert "journal valid" in said
    assert "FAIL" not in said
    assert set(status(box)["core"]["model_sha256"]) != {"0"}, "no classifier ran in the sandbox"


def test_what_the_core_signs_arrives_at_the_broker(box: Container, public: PublicKeys) -> None:
    """A subscriber verifies what it hears with the public key alone, and the publisher reads as another user."""
    until(lambda: bool(heard(box, "/record/") and heard(box, "/checkpoint")), "records to arrive", ARRIVAL_S_MAX)
    for message in heard(box, "/record/"):
        assert verify_record(message, public).status == "valid"
    core, publisher = (process_status(box.outside_pid(unit)) for unit in (CORE, PUBLISHER))
    assert core["Uid"].split()[0] != publisher["Uid"].split()[0]
    assert "0" not in {core["Uid"].split()[0], publisher["Uid"].split()[0]}


@pytest.mark.parametrize("unit", [CORE, PUBLISHER])
def test_a_service_has_no_privilege_and_sees_no_home(box: Container, unit: str) -> None:
    """Whoever takes over a service has no capability, cannot get one, and finds nobody's files."""
    pid = box.outside_pid(unit)
    found = process_status(pid)
    assert {int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    assert seen_by(box.leader, SECRET).exists()
    assert not seen_by(pid, SECRET).exists()
    mounts = Path(f"/proc/{pid}/mounts").read_text()
    assert re.search(r"^\S+ / \S+ ro[, ]", mounts, re.MULTILINE), "its root is not read-only"


def test_only_the_core_can_read_the_signing_key(box: Container) -> None:
    """The process that talks to the network can neither read the key nor write the journal."""
    key = "/run/credentials/spingate.service/gateway.key"
    assert seen_by(box.leader, key).exists()
    as_publisher = ("setpriv", "--reuid=spingate-publish", "--regid=spingate-publish", "--init-groups")
    for refused in (("cat", key), ("cat", "/etc/spingate/gateway.key.cred"), ("tee", "-a", JOURNAL)):
        done = box.inside(*as_publisher, *refused, check=False)
        assert done.returncode != 0, refused
        assert "Permission denied" in done.stderr
    assert box.inside(*as_publisher, "head", "-c", "15", JOURNAL).stdout == "SQLite format 3"


def test_the_publisher_has_no_device(box: Container) -> None:
    """In the publisher's /dev there is nothing that belongs to an instrument, or to anything else outside."""
    modes = {one.name: one.lstat().st_mode for one in seen_by(box.outside_pid(PUBLISHER), "/dev").iterdir()}
    devices = {name for name, mode in modes.items() if stat.S_ISCHR(mode) or stat.S_ISBLK(mode)}
    assert devices <= HARMLESS
    assert devices, "nothing was seen at all"


def test_the_core_can_ask_whether_the_clock_is_synchronised(box: Container) -> None:
    """The sandbox lets adjtimex(2) through; without it no certificate would ever count as valid in service."""
    assert status(box)["core"]["clock"] in {"synchronised", "unsynchronised"}


def test_a_hung_writer_thread_is_killed_by_the_watchdog_and_the_service_comes_back(box: Container) -> None:
    """The journal's thread stands still while the loop runs on: systemd ends the process, and the next one goes on."""
    before, committed = restarts(box, CORE), status(box)["core"]["records"]
    pid = box.outside_pid(CORE)
    with StoppedThread(busiest_writer(pid)) as thread:
        until(thread.died, f"the watchdog to end the core:\n{box.log(CORE)}", HUNG_S_MAX)
    until(lambda: is_back(box, CORE, before + 1), "the core to be READY again", READY_S_MAX)
    log = box.log(CORE)
    assert "no progress: journal" in log, "the loop did not run on"
    assert "Watchdog timeout" in log
    assert "status=6/ABRT" in log
    assert status(box)["core"]["records"] > committed


def test_a_stopped_publisher_is_killed_by_the_watchdog_and_comes_back(box: Container) -> None:
    """A publisher that does nothing at all is replaced, and its successor goes on where it was."""
    before = restarts(box, PUBLISHER)
    os.kill(box.outside_pid(PUBLISHER), signal.SIGSTOP)
    until(lambda: is_back(box, PUBLISHER, before + 1), "the publisher to be READY again", HUNG_S_MAX)
    assert "Watchdog timeout" in box.log(PUBLISHER)
    so_far = len(heard(box, "/record/"))
    until(lambda: len(heard(box, "/record/")) > so_far, "records to arrive again", ARRIVAL_S_MAX)


def test_a_killed_core_comes_back_and_its_journal_holds(box: Container) -> None:
    """After SIGKILL the service is READY again by itself, and the journal verifies while it runs."""
    before, committed = restarts(box, CORE), status(box)["core"]["records"]
    box.inside("systemctl", "kill", "-s", "KILL", CORE)
    until(lambda: is_back(box, CORE, before + 1), "the core to be READY again", READY_S_MAX)
    assert status(box)["core"]["records"] > committed
    verify = ("spingate", "verify", JOURNAL, "--key", "/etc/spingate/gateway.pub.pem")
    assert "journal valid" in box.inside(*verify).stdout


def test_a_stop_is_clean_and_nothing_heard_or_committed_is_missing(
    box: Container, public: PublicKeys, tmp_path: Path
) -> None:
    """After all of that the journal is whole, covered to its last record, and equal to what the subscriber heard."""
    box.inside("systemctl", "stop", CORE)
    until(lambda: publisher_backlog(box) == 0, "the publisher to carry out the rest", ARRIVAL_S_MAX)
    box.inside("systemctl", "stop", PUBLISHER)
    for unit in (CORE, PUBLISHER):
        assert (box.shows(unit, "Result"), box.shows(unit, "ExecMainStatus")) == ("success", "0"), box.log(unit)
    copy = copied(box, tmp_path)
    found = verify_file(copy, public)
    assert (found.status, found.uncovered) == ("valid", 0), found
    with JournalReader(copy) as reader:
        kept = {stored.message for start in range(0, reader.size(), BATCH_MAX) for stored in reader.records(start)}
    assert set(heard(box, "/record/")) == kept


def copied(box: Container, folder: Path) -> Path:
    """Copy the journal out; what its write-ahead log still holds is part of it."""
    for name in ("journal.db", "journal.db-wal"):
        inside = seen_by(box.leader, f"/var/lib/spingate/{name}")
        if inside.exists():
            (folder / name).write_bytes(inside.read_bytes())
    return folder / "journal.db"
