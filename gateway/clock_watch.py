"""How far the wall clock is believed: what the kernel says of it, and an atomic clock beside it. Pure.

Rule: holdover begins only from a clock that was synchronised, lasts only while the reference is locked and agrees,
and states an error that grows until it is no longer worth stating.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers.csac import clock_report
from drivers.sample import Fault, Sample

if TYPE_CHECKING:
    from drivers.sample import Event
    from gateway.clock import ClockState, Now

SECOND = 1_000_000_000
FRESH_S_MAX = 30.0  # a reference that was not heard for so long may have been off meanwhile


# An answer at the reference's 1PPS comes up to 20 ms after the edge (SA.45s guide, page 27), takes 3 ms on the line
# and waits for the port's turn of 25 ms; a second that is only named may be over.
EDGE_S_MAX = 0.1
NAMED_S_MAX = 1.2


@dataclass(frozen=True, slots=True)
class Reference:
    """What an atomic clock said: whether it may be relied on, and its second.

    Its time lay from `tod_s` to `tod_s + slack_s` at `seen_at` (monotonic); None: it has no time of day.
    """

    why_not: str
    tod_s: int | None
    slack_s: float
    seen_at: int

    @property
    def reliable(self) -> bool:
        """Tell whether it may be relied on."""
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Span:
    """The least and the most that wall time minus reference time can be, in seconds."""

    low: float
    high: float

    def __and__(self, other: Span) -> Span:
        return Span(max(self.low, other.low), min(self.high, other.high))

    @property
    def possible(self) -> bool:
        """Tell whether any value fits."""
        return self.low <= self.high

    def change_max(self, later: Span) -> float:
        """Return by how much the difference can have changed between this span and a later one."""
        return max(later.high - self.low, self.high - later.low)

    def change_min(self, later: Span) -> float:
        """Return by how much it must have changed."""
        return max(later.low - self.high, self.low - later.high, 0.0)


class ClockWatch:
    """Judges each look at the clocks. Without a reference the kernel's word stands."""

    def __init__(self, drift_ppm_max: float, error_s_max: float) -> None:
        """An undisciplined clock strays by `drift_ppm_max` at most; beyond `error_s_max` it is not in holdover."""
        self._drift = drift_ppm_max * 1e-6
        self._error_s_max = error_s_max
        self._synchronised: Now | None = None  # the last look at a synchronised clock
        self._heard: Reference | None = None
        self._agreed: Span | None = None       # while the clock was synchronised
        self._measured: Span | None = None     # by the newest word of the reference
        self._state: ClockState | None = None

    def take(self, event: Event, now: Now) -> None:
        """Take what the reference's driver said; `now` is a look at the clocks just after."""
        said = reference(event) if isinstance(event, Sample) else None
        if said is not None:
            self.hear(said, now)

    def hear(self, said: Reference, now: Now) -> None:
        """Take what the reference said; `now` is a look at the clocks just after."""
        self._heard, self._measured = said, None
        if not said.reliable or said.tod_s is None:
            return
        wall_s = (now.wall_ns - now.monotonic_ns + said.seen_at) / SECOND
        measured = self._measured = Span(wall_s - said.tod_s - said.slack_s, wall_s - said.tod_s)
        if now.state == "synchronised":
            agreed = measured if self._agreed is None else self._agreed & measured
            self._agreed = agreed if agreed.possible else measured  # somebody set one of the two clocks

    def judge(self, now: Now) -> Now:
        """Return the look with what is believed of it."""
        if now.state == "synchronised":
            self._synchronised = now
            return now
        error_s = self._error_s(now)
        if error_s is None or error_s > self._error_s_max:
            return now
        return replace(now, state="holdover", error_ns=round(error_s * SECOND))

    def changed(self, now: Now) -> Fault | None:
        """Return a fault to journal where the state is another than at the last call; the first is no news."""
        before, self._state = self._state, now.state
        if before in {None, now.state}:
            return None
        error = "unknown error" if now.error_ns is None else f"estimated error {now.error_ns / SECOND:.6f} s"
        return Fault(f"clock {now.state}", f"before: {before}; {error}; reference: {self.word}", now.monotonic_ns)

    @property
    def word(self) -> str:
        """Say how the reference is."""
        if self._heard is None:
            return "none heard"
        return self._heard.why_not or "locked"

    def _error_s(self, now: Now) -> float | None:
        """Return how wrong a free-running clock can be, None where nothing vouches for it."""
        start, heard = self._synchronised, self._heard
        if start is None or heard is None or not heard.reliable:
            return None
        if now.monotonic_ns - heard.seen_at > FRESH_S_MAX * SECOND:
            return None
        # Both clocks run at one rate: their difference changes by a step alone, and by what nobody vouches for.
        step_s = abs((now.wall_ns - now.monotonic_ns) - (start.wall_ns - start.monotonic_ns)) / SECOND
        began_s = (start.error_ns or 0) / SECOND + step_s
        strayed_s = (now.monotonic_ns - start.monotonic_ns) / SECOND * self._drift
        if self._agreed is None or self._measured is None:
            return began_s + strayed_s
        if self._agreed.change_min(self._measured) > strayed_s:
            return None  # it was set by hand
        since_s = (now.monotonic_ns - heard.seen_at) / SECOND * self._drift
        return began_s + min(strayed_s, self._agreed.change_max(self._measured) + since_s)


def reference(sample: Sample) -> Reference | None:
    """Return what an atomic clock's sample says of time; None where it is no clock's."""
    report = clock_report(sample)
    if report is None:
        return None
    trouble = "" if report.locked else "not locked"
    why_not = ", ".join([trouble, *report.alarms] if trouble else report.alarms)
    if report.tod_at is None:
        return Reference(why_not, report.tod_s, NAMED_S_MAX, sample.seen_at)
    return Reference(why_not, report.tod_s, EDGE_S_MAX, report.tod_at)
