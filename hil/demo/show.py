"""The story of the demonstration: four objects through the bay, one trolley through the lane, every signature checked.

It starts the real commands, talks to them as anybody would, and believes only what the subscriber verified.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from gateway import clock
from gateway.claims import Claims
from gateway.control import Ask, ask
from gateway.evidence.keys import load_public
from gateway.evidence.verify import verify_file
from gateway.publisher.status import read_status
from hil.demo.bay import OBJECTS, Bay
from hil.demo.brokers import broker
from hil.demo.site import Site
from hil.demo.subscriber import ANOMALY, READING, VERDICT, Subscriber
from hil.demo.summary import Aftermath, Summary, outcomes, summarise

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.demo.subscriber import Seen

VERDICT_S_MAX = 120.0  # seconds on an idle machine; one that is busy should be slow, not wrong
TROLLEY_S_MAX = 60.0
DRAIN_S_MAX = 20.0
COLUMNS = 100             # what a terminal beside another window shows
# A seed fixes every sample. At the default false-alarm probability of 1 % per scan, about one seed in a hundred shows a
# false alarm on the empty bay; 7 is one of them.
SEED = 1


def run_demo(wanted_broker: str, keep: Path | None, say: Callable[[str], None]) -> Summary:
    """Run the whole demonstration and return what was found. `say` takes one line for a person at a time."""
    began = time.monotonic()
    with ExitStack() as stack:
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spingate-")))
        folder = run / "site" if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        bay = stack.enter_context(Bay(run, SEED, clock.monotonic_ns))
        host, port, name = stack.enter_context(broker(wanted_broker, run))
        say(f"emulated bay: {', '.join(f'{what} on {where}' for what, where in bay.ports.items())}")
        say(f"broker: {name} on {host}:{port}")
        site = Site(folder, run)
        stack.callback(site.stop)
        site.lay_out(bay.ports, bay.certificates(clock.now().wall_ns / 1e9), (host, port))
        subscriber = Subscriber(host, port, site.public_pem, clock.monotonic_ns)
        stack.callback(subscriber.close)
        subscriber.subscribed.wait(DRAIN_S_MAX)
        publisher, core = site.start("publish"), site.start("run")
        say(f"core (pid {core.process.pid}) and publisher (pid {publisher.process.pid}) are ready")
        screen_objects(run / "control.sock", subscriber, say)
        await_trolley(subscriber, say)
        return finish(site, subscriber, began, say)


def screen_objects(control: Path, subscriber: Subscriber, say: Callable[[str], None]) -> None:
    """Have each object scanned, and wait for its verdict to arrive, verified, at the subscriber."""
    subscriber.wait(lambda seen: any(body[1] == "head" for body in seen.of_kind(READING)), DRAIN_S_MAX)
    for number, shown in enumerate(OBJECTS, 1):
        ask(control, Ask("start", claims=Claims(label=shown.name)))
        if not subscriber.wait(lambda seen, wanted=number: len(outcomes(seen)) >= wanted, VERDICT_S_MAX):  # type: ignore[misc]  # a default binds the loop's number
            say(f"{shown.title}: no verdict within {VERDICT_S_MAX:g} s; load of the machine {os.getloadavg()[0]:.0f}")
            return
        body = subscriber.seen.of_kind(VERDICT)[-1]
        say(f"{shown.title}\n    -> {outcomes(subscriber.seen)[-1].upper()}{reasons(body)}")


def reasons(body: dict[int, Any]) -> str:
    """Return a verdict's reasons, wrapped and indented below it; those of a clear say down to which masses."""
    return "".join(f"\n{fill(line, COLUMNS, initial_indent=' ' * 7, subsequent_indent=' ' * 9)}" for line in body[2][2])


def await_trolley(subscriber: Subscriber, say: Callable[[str], None]) -> None:
    """Wait for the trolley to pass the lane's magnetometer."""
    say("a steel trolley rolls through the lane ...")
    if subscriber.wait(lambda seen: bool(seen.of_kind(ANOMALY)), TROLLEY_S_MAX):
        anomaly = subscriber.seen.of_kind(ANOMALY)[0][2]
        say(f"    -> MAGNETIC ANOMALY, peak {anomaly[4] * 1e9:.0f} nT, energy {anomaly[1]:.0f} over {anomaly[2]:.0f}")


def finish(site: Site, subscriber: Subscriber, began: float, say: Callable[[str], None]) -> Summary:
    """Stop the core, let the publisher carry out the rest, verify the journal, and sum up."""
    publisher, core = site.services
    core_mb = core.resident_mb()
    code = core.stop()
    result = verify_file(site.folder / "journal.db", load_public(site.folder / "gateway.pub.pem"))
    subscriber.wait(lambda seen: len(seen.records) >= result.records, DRAIN_S_MAX)
    publisher_mb = publisher.resident_mb()
    publisher.stop()
    status = read_status(site.folder / "publisher")
    say(f"journal: {result.status}, {result.records} records under {result.checkpoints} checkpoints; core exit {code}")
    after = Aftermath(result.records, result.status.value, status.published if status else 0, core_mb, publisher_mb,
                      time.monotonic() - began)
    summary = summarise(subscriber.seen, after)
    tell(summary, subscriber.seen, site, say)
    return summary


def tell(summary: Summary, seen: Seen, site: Site, say: Callable[[str], None]) -> None:
    """Print the numbers for a person."""
    say(f"subscriber: {summary.verified} signatures verified, {summary.invalid} invalid, {seen.checkpoints} tree heads,"
        f" {summary.alerts} alerts")
    say(f"last byte to subscriber: p50 {summary.latency_ms_p50:.1f} ms, p99 {summary.latency_ms_p99:.1f} ms")
    say(f"memory: core {summary.core_mb:.0f} MB, publisher {summary.publisher_mb:.0f} MB")
    for problem in summary.problems:
        say(f"PROBLEM: {problem}")
    if (site.folder / "journal.db").exists() and site.folder.name != "site":
        say(f"kept: {sys.argv[0]} verify {site.folder}/journal.db --key {site.folder}/gateway.pub.pem")


def refuse_used(keep: Path) -> None:
    """Refuse a folder that already holds something: nothing of the user's is overwritten. Raises ValueError."""
    if keep.exists() and any(keep.iterdir()):
        raise ValueError(f"--keep {keep}: must be a new or empty folder")
    if shutil.disk_usage(keep.parent if keep.parent.exists() else Path.cwd()).free < 100_000_000:
        raise ValueError(f"--keep {keep}: less than 100 MB free there")
