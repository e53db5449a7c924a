"""The topics of version 1 and what is said on each. docs/asyncapi.yaml is the contract; a test compares both.

What a payload does not say is no fact: topic, content type and user properties are unsigned hints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

VERSION = "v1"
LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # one topic level: no slash, no wildcard, no blank

COSE_TYPE = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, section 11.3
NOTE_TYPE = "text/plain; charset=utf-8"                 # C2SP signed note
EVENT_TYPE = "application/cloudevents+json; charset=utf-8"
JSON_TYPE = "application/json"


class BadTopicLevel(ValueError):
    """A gateway id or record kind that cannot stand between two slashes of a topic."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic of one gateway; it uses no other."""

    prefix: str
    gateway: str

    def record(self, kind: str) -> str:
        """Return the topic of signed records of a kind. Raises `BadTopicLevel`."""
        return self._under(f"record/{level(kind)}")

    @property
    def checkpoint(self) -> str:
        """Return the topic of the newest signed checkpoint, retained."""
        return self._under("checkpoint")

    @property
    def alert(self) -> str:
        """Return the topic of unsigned copies of alarms and anomalies."""
        return self._under("alert")

    @property
    def status(self) -> str:
        """Return the topic that says whether the publisher is connected, retained."""
        return self._under("status")

    @property
    def order(self) -> str:
        """Return the topic on which orders are heard, where the configuration allows any."""
        return self._under("order")

    @property
    def order_answer(self) -> str:
        """Return the topic that says what became of an order."""
        return self._under("order/answer")

    def _under(self, rest: str) -> str:
        return f"{self.prefix}/{VERSION}/{level(self.gateway)}/{rest}"


def level(word: str) -> str:
    """Return `word` where it can be one level of a topic."""
    if not LEVEL.fullmatch(word):
        raise BadTopicLevel(f"{word!r}: must be 1-63 letters, digits, dots, underscores or dashes")
    return word
