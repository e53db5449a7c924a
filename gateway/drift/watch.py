"""The drift watch of one instrument: takes each scan, says what changed as faults, and bears on the verdict. Pure.

Rule: an alarm is never touched; a clear is taken back where the head is not what it was. It counts scans, not time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from drivers.sample import Fault
from gateway.detection.drift_state import DriftLevel, DriftState
from gateway.drift.bounds import Quantity
from gateway.drift.head import Change, HeadWatch

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from gateway.drift.look import Look

# Heads that are known again when they come back; of more, one without an inhibition is forgotten first.
HEADS_MAX: Final = 8
DEGRADED, INHIBITED, ENDED, ANEW, RESET, LOST = (
    "drift degraded", "drift inhibited", "drift ended", "drift watch anew", "drift reset", "drift state lost")
KINDS: Final = frozenset({DEGRADED, INHIBITED, ENDED, ANEW, RESET, LOST})
NOTHING_YET: Final = DriftState(DriftLevel.LEARNING, (), 1.0)
UNTIL: Final = "no scan is called clear until another certificate is taken up or a person resets the watch"


@dataclass(slots=True)
class DriftWatch:
    """The heads seen at one port, by name, the present one last.

    `lost` says why the watch does not know its own past: then nothing is clear, whichever head is there. `state` is
    how the present head is; a reset is noted by whoever asks, and done by the thread that takes the scans.
    """

    heads: dict[str, HeadWatch] = field(default_factory=dict)
    lost: str = ""
    state: DriftState = NOTHING_YET
    reset_asked: bool = False

    @property
    def head(self) -> HeadWatch | None:
        """The head of the last scan."""
        return next(reversed(self.heads.values()), None)

    def take(self, look: Look, now: Nanoseconds) -> list[Fault]:
        """Take one scan; return what is to be journaled before its verdict. A recording says nothing of the head."""
        if look.replayed:
            return []
        self.settle()
        told = self._present(look)
        changes = self.head.take(look) if self.head is not None else []
        self.settle()
        return [*([Fault(ANEW, told, now)] if told else []), *(fault_of(change, now) for change in changes)]

    def reset(self) -> None:
        """Take everything as it is now for what it should be, and learn it anew, from the next scan on."""
        self.reset_asked, self.state = True, NOTHING_YET

    def settle(self) -> None:
        """Do a reset that was asked for, and say how the present head is."""
        head = self.head
        if self.reset_asked:
            self.reset_asked, self.lost = False, ""
            if head is not None:
                head.accept()
        gone = {} if head is None else {q: head.level_of(q) for q in Quantity if head.level_of(q) is not DriftLevel.OK}
        what = [self.lost] if self.lost else []
        what += [] if head is None else [head.words_of(quantity) for quantity in gone]
        calm = DriftLevel.LEARNING if head is None or head.learning else DriftLevel.OK
        level = DriftLevel.DEGRADED if gone else calm
        inhibited = self.lost or DriftLevel.INHIBITED in gone.values()
        self.state = DriftState(DriftLevel.INHIBITED if inhibited else level, tuple(what), 1.0)

    def _present(self, look: Look) -> str:
        """Put the scan's head last; say what begins anew by it, empty where nothing does."""
        before, known = self.head, self.heads.pop(look.head, None)
        if known is None:
            known = HeadWatch(look.head, look.certificate_sha256)
            self._make_room()
        self.heads[look.head] = known
        told = []
        if before is not None and before is not known:
            what = "its references are known" if known.carriers_hz else "its references are learnt anew"
            told.append(f"{before.head} was replaced by {known.head}: {what}")
        if look.certificate_sha256 is not None and look.certificate_sha256 != known.certificate:
            told.append("another certificate: gain and phase are held against it, the noise is learnt anew")
            known.certify(look.certificate_sha256)
        if not look.calibrant and look.carriers_hz != known.carriers_hz:
            told += ["another band plan: noise and reflected power are learnt anew"] if known.carriers_hz else []
            known.begin(look.carriers_hz)
        return "; ".join(told)

    def _make_room(self) -> None:
        while len(self.heads) >= HEADS_MAX:
            free = [name for name, head in self.heads.items() if not head.latched]
            name = free[0] if free else next(iter(self.heads))
            if self.heads.pop(name).latched:
                self.lost = f"more than {HEADS_MAX} heads were inhibited, {name} was forgotten"


def fault_of(change: Change, now: Nanoseconds) -> Fault:
    """Return a change as it is journaled."""
    if change.after is DriftLevel.INHIBITED:
        return Fault(INHIBITED, f"{change.words}; {UNTIL}", now)
    if change.after is DriftLevel.DEGRADED:
        return Fault(DEGRADED, change.words, now)
    return Fault(ENDED, str(change.words), now)
