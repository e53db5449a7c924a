"""Which record the broker may be hanging up on. Pure.

MQTT 3.1.1 cannot refuse a message, so some brokers close the connection instead, at every try. The record must
not stand in the way for ever; but a broker that merely restarts often, or hangs up on everything, must not have
one set aside. The courier therefore sends no record before the broker has answered our status on the same
connection: whatever is on its way at a hang-up was sent to a broker that does answer.
"""

from __future__ import annotations

ALONE_FROM = 2   # hang-ups; from here on the suspect travels alone, so that the blame is right
TRIES_MAX = 6    # then it is set aside: some 3 s of reconnecting with the default waits; a wrong blame only delays


class Suspicion:
    """Counts how often the broker hung up while the same record was the first on its way."""

    def __init__(self) -> None:
        self.index, self.tries = -1, 0

    def hung_up(self, first: int | None) -> None:
        """Note a connection closed by the broker; `first` is the oldest record on its way, if any."""
        if first is not None:
            self.tries = self.tries + 1 if first == self.index else 1
            self.index = first

    def travels_alone(self, settled: int) -> bool:
        """Say whether nothing but the suspect may be sent; `settled` is how far everything is settled."""
        return self.tries >= ALONE_FROM and settled < self.index

    def proved(self, index: int) -> bool:
        """Say whether a record has had its tries."""
        return index == self.index and self.tries >= TRIES_MAX
