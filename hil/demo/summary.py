"""What the demonstration found, in numbers. Pure.

`ok` is true only where every claim that the demonstration makes was seen to hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.demo.subscriber import OUTCOMES, READING, SCAN, VERDICT

if TYPE_CHECKING:
    from hil.demo.subscriber import Seen

# What each object must lead to. A harmless parcel is clear; where nothing is seen, or through metal, nobody can tell.
EXPECTED = ("not inspectable", "clear", "alarm", "not inspectable")


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of one run; latencies are from the last byte of the device to the subscriber."""

    ok: bool
    scans: int
    readings: int
    records: int
    alerts: int
    verified: int
    invalid: int
    published: int
    latency_ms_p50: float
    latency_ms_p99: float
    outcomes: tuple[str, ...]
    journal: str
    core_mb: float
    publisher_mb: float
    seconds: float
    problems: tuple[str, ...]


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie; 0 where there are none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0


def outcomes(seen: Seen) -> tuple[str, ...]:
    """Return the outcome of every verdict that arrived, in order."""
    return tuple(OUTCOMES[body[2][1]] for body in seen.of_kind(VERDICT))


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was found on disk and in the processes when all was over."""

    journal_records: int
    journal_status: str
    published: int
    core_mb: float
    publisher_mb: float
    seconds: float


def summarise(seen: Seen, after: Aftermath) -> Summary:
    """Return the summary, with every problem in words."""
    found = outcomes(seen)
    gap = set(range(after.journal_records)) - set(seen.records)
    problems = [
        *([f"verdicts {', '.join(found)}: expected {', '.join(EXPECTED)}"] if found != EXPECTED else []),
        *([f"{seen.invalid} messages failed verification"] if seen.invalid else []),
        *([f"{len(gap)} of {after.journal_records} records never arrived"] if gap else []),
        *([f"journal: {after.journal_status}"] if after.journal_status != "valid" else []),
        *(["the trolley in the lane raised no alert"] if not any(
            "anomaly" in str(alert.get("type", "")) for alert in seen.alerts) else []),
        *(["no checkpoint arrived"] if not seen.checkpoints else []),
    ]
    return Summary(
        ok=not problems,
        scans=len(seen.of_kind(SCAN)),
        readings=len(seen.of_kind(READING)),
        records=after.journal_records,
        alerts=len(seen.alerts),
        verified=seen.verified,
        invalid=seen.invalid,
        published=after.published,
        latency_ms_p50=quantile(seen.latencies_ms, 0.50),
        latency_ms_p99=quantile(seen.latencies_ms, 0.99),
        outcomes=found,
        journal=after.journal_status,
        core_mb=round(after.core_mb, 1),
        publisher_mb=round(after.publisher_mb, 1),
        seconds=round(after.seconds, 1),
        problems=tuple(problems),
    )
