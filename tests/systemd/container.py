"""A real systemd as PID 1 in a container whose root is a throw-away overlay of the host's.

The host's root is only read, and commands inside get no capability that the container itself lacks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

START_S_MAX = 30.0
STOP_S_MAX = 15.0
COMMAND_S_MAX = 60.0
LOOK_S = 0.1
CAP_SYS_TIME = 25  # capability(7): a container that has it could set the host's clock
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# In its own cgroup and mount namespace: an overlay of / on a tmpfs, and only cgroup2 at /sys/fs/cgroup, so that nspawn
# sees one hierarchy. setpriv: if the tests are killed, nspawn gets SIGTERM and ends the container in order.
INNER = """set -e
echo $$ >"$1/cgroup.procs"
mount -t tmpfs tmpfs "$2"; mkdir "$2/upper" "$2/wd" "$2/merged"
mount -t overlay overlay -o lowerdir=/,upperdir="$2/upper",workdir="$2/wd" "$2/merged"
: >"$2/merged/etc/machine-id"
umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
shift 2; exec setpriv --pdeathsig TERM "$@"
"""
# nspawn's own filter refuses adjtimex(2) to a container without CAP_SYS_TIME, even for asking, which a host allows.
# The kernel still refuses to set anything by it: that takes the capability, and `_capabilities` makes sure of it.
ASK_THE_CLOCK = "--system-call-filter=adjtimex clock_adjtime"


class ContainerFailed(RuntimeError):
    """The container did not start or a command in it failed."""


class Container:
    """Boot on entry, shut down in order on exit. `binds` are host paths and where they appear inside, read-only."""

    def __init__(self, folder: Path, binds: Mapping[Path, str]) -> None:
        self.folder = folder
        self.binds = binds
        self.name = f"spingate-test-{os.getpid()}"
        self.console = folder / "console"
        self.leader = 0

    def __enter__(self) -> Self:
        """Boot to basic.target and return when systemd answers."""
        refuse_unable()
        root = Path("/sys/fs/cgroup/unified")
        self.cgroup = (root if root.is_dir() else root.parent) / self.name
        overlay = self.folder / "overlay"
        overlay.mkdir()
        self.cgroup.mkdir()
        words: list[str | Path] = ["unshare", "-m", "--propagation", "private", "bash", "-c", INNER, "inner"]
        words += [self.cgroup, overlay]
        words += ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", ASK_THE_CLOCK]
        words += [f"--machine={self.name}", "-D", overlay / "merged"]
        words += [f"--bind-ro={outside}:{inside}" for outside, inside in self.binds.items()]
        words += ["--boot", "--console=pipe", "systemd.unit=basic.target"]
        with self.console.open("wb") as console:
            self.nspawn = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            self.leader = self._await_leader()
            self.bounds = self._capabilities()
            until(self._has_booted, "the container to finish booting", START_S_MAX)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut the container down in order."""
        self._stop()

    def inside(self, *words: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside, to its end, and return it with its output."""
        enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        drop = ["setpriv", f"--bounding-set={self.bounds}", "env", "-i", PATH, "LC_ALL=C"]
        whole = [*enter, *drop, *words]
        done = subprocess.run(
            whole, input=text or "", capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False
        )
        if check and done.returncode != 0:
            raise ContainerFailed(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str) -> None:
        """Write a file inside, and the folders above it."""
        self.inside("mkdir", "-p", str(Path(path).parent))
        self.inside("tee", path, text=text)

    def shows(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.inside("systemctl", "show", unit, "-p", name, "--value").stdout.strip()

    def log(self, unit: str) -> str:
        """Return what systemd's journal has of a unit, and of systemd about it."""
        return self.inside("journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit).stdout

    def outside_pid(self, unit: str) -> int:
        """Return the pid, as this side counts, of a unit's main process."""
        main = self.shows(unit, "MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                ids = next(line.split()[1:] for line in status.read_text().splitlines() if line.startswith("NSpid:"))
                if len(ids) > 1 and ids[-1] == main and self._is_ours(int(ids[0])):
                    return int(ids[0])
        raise ContainerFailed(f"no process outside for {unit} (pid {main} inside)")

    def _await_leader(self) -> int:
        end = time.monotonic() + START_S_MAX
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        while time.monotonic() < end and self.nspawn.poll() is None:
            with contextlib.suppress(OSError):
                for child in children.read_text().split():
                    if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                        return int(child)
            time.sleep(LOOK_S / 2)
        raise ContainerFailed(f"the container did not start:\n{self.console.read_text(errors='replace')}")

    def _has_booted(self) -> bool:
        return self.inside("systemctl", "is-system-running", check=False).stdout.strip() in {"running", "degraded"}

    def _capabilities(self) -> str:
        status = Path(f"/proc/{self.leader}/status").read_text()
        bound = int(status.split("CapBnd:")[1].split()[0], 16)
        if bound >> CAP_SYS_TIME & 1:
            raise ContainerFailed("the container may set the clock: refused")
        return ",".join(["-all", *(f"+cap_{bit}" for bit in range(41) if bound >> bit & 1)])

    def _is_ours(self, pid: int) -> bool:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path(f"/proc/{self.leader}/ns/pid").readlink()

    def _stop(self) -> None:
        if self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.nspawn.wait(STOP_S_MAX)
        if self.nspawn.poll() is None and self.leader:  # stuck: end the container's init, never nspawn itself
            os.kill(self.leader, signal.SIGKILL)
            self.nspawn.wait(STOP_S_MAX)
        until(self._cgroups_gone, f"{self.cgroup} to become empty", STOP_S_MAX)
        with contextlib.suppress(OSError):
            Path(f"/run/systemd/nspawn/propagate/{self.name}").rmdir()

    def _cgroups_gone(self) -> bool:
        """Remove what the container left of control groups; the last process may need a moment to leave."""
        with contextlib.suppress(OSError):
            for folder in sorted((one for one in self.cgroup.rglob("*") if one.is_dir()), reverse=True):
                folder.rmdir()
            self.cgroup.rmdir()
        return not self.cgroup.exists()


def seen_by(pid: int, path: str) -> Path:
    """Return where a file can be looked at from here as the process `pid` (of this side) sees it."""
    return Path(f"/proc/{pid}/root") / path.lstrip("/")


def refuse_unable() -> None:
    """Raise with the remedy where this machine cannot boot a container."""
    if os.geteuid() != 0:
        raise ContainerFailed("booting a container needs root: run the tests as root, as CI does")
    if shutil.which("systemd-nspawn") is None:
        raise ContainerFailed("missing: apt-get install --no-install-recommends systemd-container")


def until(done: Callable[[], bool], what: str, wait_s: float) -> None:
    """Wait until `done` gives true; raise naming `what` after `wait_s`."""
    end = time.monotonic() + wait_s
    while not done():
        if time.monotonic() > end:
            raise ContainerFailed(f"waited {wait_s:g} s for {what}")
        time.sleep(LOOK_S)
