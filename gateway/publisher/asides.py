"""Which of the records set aside is tried again, and when. Pure but for the list that it reads.

Nothing here takes a record off the list: only a good answer of the broker does. Every new connection begins a
round; a record that costs the connection is given a few more tries, further and further apart, and then waits
for a connection that ended for another reason, or one such record would keep us reconnecting for ever.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from gateway.publisher.backoff import wait_s
from gateway.publisher.ledger import START

if TYPE_CHECKING:
    import random

    from gateway.publisher.ledger import Ledger, Refused
    from gateway.publisher.settings import PublisherSettings

RETRIES_A_CONNECTION_MAX = 1000  # a round; some 100 kB of memory. The next round goes on behind it
AT_ONCE_MAX = 4                  # beside the new records, which have hundreds; one alone after a hang-up
COSTS_MAX = 3                    # connections in a row that one record alone may cost


class Asides:
    """One round through the list on each connection."""

    def __init__(self, ledger: Ledger, settings: PublisherSettings, chance: random.Random) -> None:
        """Begin in front of the list."""
        self.ledger, self.settings, self.chance = ledger, settings, chance
        self.waiting: deque[Refused] = deque()
        self.on_their_way: list[Refused] = []
        self.costs: Counter[Refused] = Counter()
        self.place = START
        self.costly, self.at_once, self.hang_ups, self.rest_until = False, AT_ONCE_MAX, 0, 0.0

    def begin(self) -> None:
        """Begin a round on a fresh connection, without what has cost too many of those right before it."""
        if not self.costly:
            self.costs.clear()
        self.at_once = 1 if self.costly else AT_ONCE_MAX
        self.costly = False
        listed = self.ledger.refused(RETRIES_A_CONNECTION_MAX, self.place)
        fit = [refused for refused in listed if self.costs[refused] < COSTS_MAX]
        self.waiting = deque(sorted(fit, key=self.costs.__getitem__))

    def next(self, now: float) -> Refused | None:
        """Return the record to be tried now, if any; it counts as on its way."""
        if not self.waiting or len(self.on_their_way) >= self.at_once or now < self.rest_until:
            return None
        refused = self.waiting.popleft()
        self.on_their_way.append(refused)
        self.place = (refused.record_index, refused.sha256)
        return refused

    def put_back(self, refused: Refused) -> None:
        """Have a record tried next again: it could not be read or sent."""
        self.on_their_way.remove(refused)
        self.waiting.appendleft(refused)

    def answered(self, refused: Refused, *, taken: bool) -> None:
        """Note what became of a retry: off the list where it was taken, else on it until the next round."""
        self.on_their_way.remove(refused)
        if taken:
            self.ledger.accept(refused.record_index, refused.sha256)
            self.hang_ups = 0

    def lost(self, now: float, *, by_peer: bool) -> bool:
        """Forget what was on its way over a lost connection; say whether that may be why it was lost."""
        caught, self.on_their_way = self.on_their_way, []
        if not caught:
            return False
        self.place = (caught[0].record_index, b"")  # the next round begins with them
        if not by_peer:
            return False
        self.costly = True
        self.hang_ups += 1
        first, ceiling = self.settings.refusal_retry_s_min, self.settings.refusal_retry_s_max
        self.rest_until = now + wait_s(self.hang_ups, first, ceiling, self.chance.random())
        if len(caught) == 1:  # of several, one is to blame: they go again one at a time
            self.costs.update(caught)
        return True
