"""The measured figures in words: reference points, coverage with shortfalls, gaps. No measuring here.

A figure stands beside its bound or its standard error, and what falls short is named.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.bench import MIXED_DB, PDS, PFAS
from hil.bench.detection.trials import Scene
from hil.bench.detection.uniform import STATED, uniformity
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hil.bench.detection.bench import Gap, Measured
    from hil.bench.detection.theory import Reference

# What a covered substance should show: Pd proven in mixed scenes, false alarms in a scan, gain of the references.
PD_PROVEN: Final = 0.95
PFA_PROVEN: Final = 0.01
REFERENCES_DB: Final = 3.0


def lines(found: Sequence[Measured]) -> list[str]:
    """Everything, for a person."""
    said = ["reference points: Pd 0.999 at Pfa 1e-3, known temperature | the whole scan searched (T2e x 0.3, x 3)"]
    said += [_reference(r) for r in dict.fromkeys(one.reference for one in found)]
    for scene in dict.fromkeys(one.scene for one in found):
        said += ["", *_scene([one for one in found if one.scene is scene])]
    return [*said, "", *_gain(found), *_agreement(found)]


def _reference(r: Reference) -> str:
    swept = ", ".join(f"{r.mass_kg * r.d_per_kg / d:.3f}" for d in r.d_per_kg_by_t2e)
    return (f"  tier {r.tier.name}  {r.substance:24s} {r.known_kg:8.3f} kg | {r.mass_kg:8.3f} kg ({swept})   d of 1 kg "
            f"{r.d_per_kg:6.2f}, {r.lines} lines, {r.looks:.0f} looks")


def _scene(found: Sequence[Measured]) -> Iterator[str]:
    above = f", {MIXED_DB:g} dB above the reference point" if found[0].scene.hard else ", at the reference point"
    yield f"{found[0].scene}{above}: Pd and Pfa of the decision as shipped, one-sided 95 % bounds"
    for one in found:
        yield "  " + case_line(one)
    yield from _nulls(found)
    if found[0].axis is None:
        return
    for pfa in PFAS:
        yield f"  gap to the likelihood ratio's own theory at Pfa {pfa:g}, dB at Pd {PDS[0]:g} / {PDS[1]:g}"
        for detector in ("glrt", "network", "combined", "bare"):
            rows = [_gaps(one, detector, pfa) for one in found]
            if any(one.gap(detector, pfa=pfa) for one in found):
                yield f"    {detector:9s}" + "; ".join(rows)
                yield f"    {'':9s}mean {_mean(found, detector, pfa)}"


def case_line(one: Measured) -> str:
    """One case in a line, with what it misses."""
    n, hits = len(one.point.deflection), one.point.named
    lower, upper = lower_bound(hits, n), upper_bound(one.nulls.alarms, one.nulls.count)
    verdict = shortfall(one)
    return (f"tier {one.reference.tier.name}  {one.reference.substance:24s} {one.mass_kg:8.3f} kg  Pd {hits}/{n} "
            f">= {lower:.3f}  Pfa {one.nulls.alarms}/{one.nulls.count} <= {upper:.4f}  another named "
            f"{one.point.another}  {one.point.decide_ms:.0f} ms" + (f"  SHORT: {verdict}" if verdict else ""))


def _nulls(found: Sequence[Measured]) -> Iterator[str]:
    """What p-values the scans without a substance got."""
    for tier, one in {one.reference.tier: one for one in found}.items():
        seen = uniformity(one.nulls.score["glrt"])
        counts = ", ".join(f"{n} at {p:g}" for n, p in zip(seen.found, STATED, strict=True))
        yield (f"  tier {tier.name}, {seen.scans} nulls: conformal p-values uniform with KS p {seen.ks_p:.2f}; the "
               f"likelihood ratio's own p-value was met by {counts}")


def shortfall(one: Measured) -> str:
    """By how much a case misses what is wanted of it; empty when it does not."""
    n, said = len(one.point.deflection), []
    lower = lower_bound(one.point.named, n)
    upper = upper_bound(one.nulls.alarms, one.nulls.count)
    if lower < PD_PROVEN:
        said.append(f"Pd proven {lower:.3f}, {PD_PROVEN - lower:.3f} below {PD_PROVEN:g}")
    if upper > PFA_PROVEN:
        said.append(f"Pfa proven {upper:.4f}, {upper - PFA_PROVEN:.4f} above {PFA_PROVEN:g}")
    return "; ".join(said)


def _gaps(one: Measured, detector: str, pfa: float) -> str:
    both = [one.gap(detector, pd, pfa) for pd in PDS]
    return f"{one.reference.substance[:9]} {one.reference.tier.name} " + " / ".join(_gap(gap) for gap in both)


def _gap(gap: Gap | None) -> str:
    return f"{gap.gap_db:+.2f} ({gap.u_db:.2f})" if gap else "not reached"


def _mean(found: Sequence[Measured], detector: str, pfa: float) -> str:
    """Weighted over substances; their thresholds come from the same nulls, so the error is a lower bound."""
    said = []
    for pd in PDS:
        gaps = [gap for one in found if (gap := one.gap(detector, pd, pfa)) and gap.u_db > 0.0]
        if gaps:
            weight = np.array([gap.u_db**-2.0 for gap in gaps])
            own, limit = (np.average([getattr(gap, name) for gap in gaps], weights=weight)
                          for name in ("gap_db", "limit_db"))
            said.append(f"Pd {pd:g}: {own:+.2f} dB (+-{1.0 / math.sqrt(weight.sum()):.2f}), {limit:+.2f} dB to the "
                        "clairvoyant limit")
    return "; ".join(said)


def _gain(found: Sequence[Measured]) -> Iterator[str]:
    """What the reference channels are worth."""
    rows = [one for one in found if one.scene is Scene.MIXED]
    if rows:
        yield "reference channels, mixed scenes: likelihood ratio with them beside without, same Pd and Pfa"
    for one in rows:
        for pd, pfa in ((pd, pfa) for pd in PDS for pfa in PFAS):
            ours, bare = one.gap("glrt", pd, pfa), one.gap("bare", pd, pfa)
            gain = f"{bare.gap_db - ours.gap_db:+.2f} dB (+-{math.hypot(bare.u_db, ours.u_db):.2f})" if (
                ours and bare) else "without them not reached" if ours else "not reached"
            yield f"  {one.reference.substance:24s} {one.reference.tier.name}  Pd {pd:g}, Pfa {pfa:g}: {gain}"


def _agreement(found: Sequence[Measured]) -> Iterator[str]:
    """What both generators give, and how often chance alone would make them differ as much."""
    for one in (one for one in found if one.scene.second):
        twin = next((t for t in found if t.reference == one.reference and t.scene.hard == one.scene.hard
                     and not t.scene.second), None)
        if twin is not None:
            p = difference_p(twin.point.named, len(twin.point.deflection), one.point.named, len(one.point.deflection))
            q = difference_p(twin.nulls.alarms, twin.nulls.count, one.nulls.alarms, one.nulls.count)
            yield (f"second generator, {'mixed' if one.scene.hard else 'white'}, {one.reference.substance} "
                   f"{one.reference.tier.name}: Pd {twin.point.named}/{len(twin.point.deflection)} and "
                   f"{one.point.named}/{len(one.point.deflection)} (p {p:.2f}), Pfa {twin.nulls.alarms}/"
                   f"{twin.nulls.count} and {one.nulls.alarms}/{one.nulls.count} (p {q:.2f})")


def difference_p(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p-value of a difference between two proportions: Fisher's exact test."""
    def log_term(k: int) -> float:
        return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
                + math.lgamma(m + 1) - math.lgamma(a + b - k + 1) - math.lgamma(m - a - b + k + 1))

    terms = {k: log_term(k) for k in range(max(0, a + b - m), min(n, a + b) + 1)}
    top = max(terms.values())
    weight = {k: math.exp(value - top) for k, value in terms.items()}
    return min(1.0, sum(w for w in weight.values() if w <= weight[a] * (1.0 + 1e-9)) / sum(weight.values()))
