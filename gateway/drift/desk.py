"""An operator takes a head as it is now for what it should be. Edge of the control socket: journaled, then done.

Rule: nothing is lifted that no record says who lifted, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.sample import Fault
from gateway.control import Answer
from gateway.drift.watch import RESET
from gateway.evidence.writer import JournalBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.clock import Now
    from gateway.control import Ask
    from gateway.drafts import Drafter
    from gateway.pipeline import Lane
    from gateway.scans import Submit


@dataclass(frozen=True, slots=True)
class DriftDesk:
    """The lanes whose heads are watched."""

    lanes: Mapping[str, Lane]
    drafter: Drafter
    submit: Submit
    now: Callable[[], Now]

    def reset(self, ask: Ask, who: str) -> Answer:
        """Reset the watch of one head for `who`, or say why not."""
        watched = {name: lane.drift.watch for name, lane in self.lanes.items() if lane.drift is not None}
        name = ask.head or next(iter(watched), "")
        if name not in watched or (not ask.head and len(watched) > 1):
            return Answer(refused=f"head = {ask.head!r}: must be one of: {', '.join(watched) or 'none'}")
        if not ask.because.strip():
            return Answer(refused="why = '': must say why the head may be taken as it is")
        watch, now = watched[name], self.now()
        state = watch.state
        was = f"{state.level}: {'; '.join(state.what)}" if state.what else str(state.level)
        fault = Fault(RESET, f"by user {who}: {ask.because.strip()}; before: {was}; everything is learnt anew",
                      now.monotonic_ns)
        try:
            self.submit(self.drafter.instrument_fault(now, name, fault), None)
        except JournalBehind:
            return Answer(refused="the journal does not keep up with the disk; try again in a moment")
        watch.reset()
        return Answer()
