"""The suite: what a lab engineer wants to know of an instrument before it goes into a bay.

Rule: one test is one promise; its docstring is the sentence that stands in the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hil.conformance import checks
from hil.conformance.bench import BACK_S_MAX, SILENT_S_MAX, Bench
from hil.conformance.checks import NotTried
from hil.conformance.session import CONFORMANCE

if TYPE_CHECKING:
    from hil.conformance.heard import Heard
    from hil.conformance.session import Notes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on every target, all tests of one target together."""
    conformance = metafunc.config.stash.get(CONFORMANCE, None)
    found = conformance.targets if conformance else []
    metafunc.parametrize("bench", found, ids=[one.name for one in found], indirect=True, scope="module")


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Bench:
    """Where the target is run."""
    return Bench(request.param, request.config.stash[CONFORMANCE].say)


@pytest.fixture(scope="module")
def heard(bench: Bench) -> Heard:
    """What was heard while nothing was done to the line."""
    return bench.listen()


def only_emulated(bench: Bench, what: str) -> None:
    """A real device is not sent noise and not told to be silent."""
    if not bench.target.emulated:
        raise NotTried(f"{what}: not done to a real device")


def test_it_speaks_soon_after_the_port_is_opened(bench: Bench, heard: Heard, notes: Notes) -> None:
    """The port opens and the first sample comes within the limit."""
    notes.add(checks.speaks_within(heard, bench.speak_s_max))


def test_it_says_who_it_is(heard: Heard, notes: Notes) -> None:
    """Its model is told, and the same device speaks all the time."""
    notes.device = checks.tells_identity(heard)


def test_its_samples_are_well_formed(heard: Heard, notes: Notes) -> None:
    """Every sample has rows, finite or flagged values, and the bytes it was decoded from."""
    notes.add(checks.has_form(heard))


def test_it_measures_what_its_row_promises(bench: Bench, heard: Heard, notes: Notes) -> None:
    """Every channel has a quantity and a unit, and the promised ones are among them."""
    if hasattr(bench.target.row.make(bench.options()), "begin"):
        checks.needs_samples(heard)
        raise NotTried(f"{bench.target.row.quantity} comes with a scan, and a scan transmits: order one at the bay")
    notes.add(checks.measures(heard, bench.target.row))


def test_it_keeps_the_rate_it_states(bench: Bench, heard: Heard, notes: Notes) -> None:
    """Rows come as often as the samples state."""
    checks.needs_samples(heard)
    arrival_s = checks.ARRIVAL_EMULATED_S if bench.target.emulated else checks.ARRIVAL_S
    notes.add(checks.keeps_rate(heard, arrival_s))


def test_it_loses_no_sample(heard: Heard, notes: Notes) -> None:
    """By the device's own numbers no row is missing while it is listened to."""
    notes.add(checks.loses_nothing(heard))


def test_it_has_no_fault_on_a_quiet_line(heard: Heard, notes: Notes) -> None:
    """Nothing goes wrong while nothing is done to it."""
    checks.needs_samples(heard)
    notes.add(checks.no_faults(heard))


def test_it_speaks_again_after_the_port_was_closed_and_opened(bench: Bench, notes: Notes) -> None:
    """A second opening of the port brings samples as the first did."""
    first, second = bench.listen_twice()
    checks.needs_samples(first)
    notes.add(checks.speaks_within(second, bench.speak_s_max))
    before, after = checks.tells_identity(first), checks.tells_identity(second)
    if not checks.same(before, after):
        raise checks.NotKept(f"{before} before the port was closed, {after} after it was opened again")


def test_it_speaks_again_after_noise_on_the_line(bench: Bench, notes: Notes) -> None:
    """Seeded noise costs no more than the time it takes, and samples come again."""
    only_emulated(bench, "noise")
    heard, over = bench.noise()
    notes.add(checks.speaks_within(heard, bench.speak_s_max + BACK_S_MAX, over))
    checks.tells_identity(heard)


def test_its_silence_is_reported(bench: Bench, notes: Notes) -> None:
    """A device that says nothing any more is a fault, and it is read again when it speaks."""
    only_emulated(bench, "silence")
    if bench.target.row.silent_s_max > SILENT_S_MAX:
        raise NotTried(f"it may be silent for {bench.target.row.silent_s_max:g} s: longer than a bench waits")
    heard, again = bench.silence()
    notes.add(checks.tells(heard.faults, ()))
    notes.add(checks.speaks_within(heard, bench.speak_s_max + BACK_S_MAX, again))


def test_a_pulled_cable_is_reported_and_mended(bench: Bench, notes: Notes) -> None:
    """A port that goes away is a fault, and when it is back samples come again."""
    if not bench.target.emulated and not notes.interactive:
        raise NotTried("nobody was asked to pull the cable: --interactive does")
    heard, back = bench.unplug()
    notes.add(checks.tells(heard.faults, ("port lost", "port missing", "port refused")))
    notes.add(checks.speaks_within(heard, bench.speak_s_max + BACK_S_MAX, back))
