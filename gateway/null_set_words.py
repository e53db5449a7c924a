"""A null set in words: what it holds, what was left out and why, and what a person should look at. Pure.

Rule: whoever reads it sees every scan that alarmed and every scan that is not in it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gateway.detection.null_set import scans_needed, smallest_p
from gateway.detection.verdict import Outcome
from gateway.null_set_figures import WARN_P, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.detection.null_set import NullSet

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# So many scans are named one by one; a set with more of them has another fault.
NAMED_MAX: Final = 20


def described(nulls: NullSet, digest: bytes) -> tuple[str, ...]:
    """Return the lines for a person."""
    head, count = nulls.setting.head, len(nulls.scans)
    who = " ".join(word for word in (head.make, head.model, head.serial) if word) or "a head without a name"
    return (
        f"null set of {count} scans of {who}, {len(nulls.setting.plans)} bands in {nulls.setting.dwell_s:g} s",
        f"out of {nulls.source}{spanned(nulls)}",
        f"made {moment(nulls.made_ns)} (clock {nulls.clock}) by {nulls.software} of gateway {nulls.gateway or '-'}",
        f"sha256 {digest.hex()}",
        f"model sha256 {nulls.model_sha256.hex()}",
        f"detection sha256 {nulls.detection_sha256.hex()}",
        f"load from {nulls.demands.cargo_k_min:g} to {nulls.demands.cargo_k_max:g} K",
        reach(nulls),
        *alarmed(nulls),
        *left_out(nulls),
        *checked(nulls),
        *(f"WARNING: {said}" for said in warnings(nulls)),
    )


def reach(nulls: NullSet) -> str:
    """Return how small its p-values get, and whether that is enough for its policy."""
    count, pfa = len(nulls.scans), nulls.demands.pfa_per_scan
    if smallest_p(count) <= pfa:
        return f"p-values down to {smallest_p(count):.2g}: enough for {pfa:g} false alarms per scan"
    return (f"p-values down to {smallest_p(count):.2g} only: {scans_needed(pfa)} scans are needed for {pfa:g} false"
            " alarms per scan, until then theory alone decides")


def alarmed(nulls: NullSet) -> tuple[str, ...]:
    """Return the scans in it that theory calls an alarm: each may be a false alarm, or a target in the bay."""
    found = [scan for scan in nulls.scans if scan.outcome is Outcome.ALARM]
    return clipped(f"ALARM kept: scan {scan.index}, {strongest(nulls, scan.substances)},"
                   f" p {math.exp(-scan.score):.2g} in theory" for scan in found)


def left_out(nulls: NullSet) -> tuple[str, ...]:
    """Return the scans that an operator left out."""
    return clipped(f"excluded: scan {one.index}, {scored(one.score)}: {one.why}" for one in nulls.excluded)


def checked(nulls: NullSet) -> tuple[str, ...]:
    """Return what the scores themselves say."""
    found = figures_of(nulls.scans)
    low = sum(math.exp(-scan.score) <= nulls.demands.pfa_per_scan for scan in nulls.scans)
    expected = nulls.demands.pfa_per_scan * len(nulls.scans)
    return (
        (f"theory: {low} of {len(nulls.scans)} scans with p of {nulls.demands.pfa_per_scan:g} or less, at most"
         f" {expected:.2g} expected; more small p than theory allows: KS {found.ks:.3f}, p {found.ks_p:.2g} or less"),
        f"first half against second: KS p {found.halves_p:.2g}",
    )


def warnings(nulls: NullSet) -> tuple[str, ...]:
    """Return what a person should look at before relying on it."""
    found, said = figures_of(nulls.scans), []
    if found.ks_p < WARN_P:
        said.append("more scans score high than theory allows: a hazard of this bay, or a covered substance in it."
                    " The set holds alarms back at the height of these scores")
    if found.halves_p < WARN_P:
        said.append("the first half of the scans differs from the second: the bay or the head changed meanwhile,"
                    " and no p-value means what it says")
    said += clipped(f"scan {scan.index} scores so high (p {math.exp(-scan.score):.1g} in theory) that chance alone does"
                    " not explain it. If something lay in the bay, exclude it with the reason; if not, it stays"
                    for scan in found.alone)
    return tuple(said)


def strongest(nulls: NullSet, scores: tuple[float, ...]) -> str:
    """Return the substance with the highest score."""
    return max(zip(scores, nulls.substances, strict=True))[1] if scores else "no substance"


def scored(score: float) -> str:
    """Return a score in words."""
    return "not decided" if math.isnan(score) else f"p {math.exp(-score):.2g} in theory"


def spanned(nulls: NullSet) -> str:
    """Return from when until when it was measured, empty where nobody knows."""
    if nulls.first_ns is None or nulls.last_ns is None:
        return ", measured at an unknown time"
    return f", measured from {moment(nulls.first_ns)} to {moment(nulls.last_ns)}"


def moment(wall_ns: int) -> str:
    """Return a wall time in UTC."""
    try:
        return (EPOCH + timedelta(microseconds=wall_ns // 1000)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return "outside the calendar"


def clipped(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the first lines, and how many more there are."""
    found = list(lines)
    more = len(found) - NAMED_MAX
    return tuple(found) if more <= 0 else (*found[:NAMED_MAX], f"and {more} more like it")
