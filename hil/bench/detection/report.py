"""The measured figures in words: reference points, coverage with shortfalls, gaps. No measuring here.

A figure stands beside its bound or its standard error, and what falls short is named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.coverage import shortfalls
from gateway.detection.null_set import scans_needed
from gateway.detection.policy import Policy
from hil.bench.detection.bench import MIXED_DB, PDS, PFAS, proven
from hil.bench.detection.trials import Scene
from hil.bench.detection.uniform import STATED, product_p, uniformity
from hil.scene.assumptions import PRIORS
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hil.bench.detection.bench import Gap, Measured
    from hil.bench.detection.theory import Reference

# What white noise should show, and what the reference channels should be worth.
THEORY_DB: Final = 0.2
BEHIND_DB: Final = 0.5
REFERENCES_DB: Final = 3.0


def lines(found: Sequence[Measured]) -> list[str]:
    """Everything, for a person."""
    said = ["reference points: Pd 0.999 at Pfa 1e-3, known temperature | the whole scan searched (T2e x 0.3, x 3)"]
    said += [_reference(r) for r in dict.fromkeys(one.reference for one in found)]
    for scene in dict.fromkeys(one.scene for one in found):
        said += ["", *_scene([one for one in found if one.scene is scene], found)]
    return [*said, "", *promises(found), *_gain(found), *_agreement(found), "", *assumed()]


def assumed() -> Iterator[str]:
    """Every prior behind the figures: they hold as far as these do."""
    yield f"{len(PRIORS)} priors, choices without a source, behind all of the above:"
    yield from (f"  {row.name}: {row.basis}" for row in PRIORS)


def _reference(r: Reference) -> str:
    swept = ", ".join(f"{r.mass_kg * r.d_per_kg / d:.3f}" for d in r.d_per_kg_by_t2e)
    return (f"  tier {r.tier.name}  {r.substance:24s} {r.known_kg:8.3f} kg | {r.mass_kg:8.3f} kg ({swept})   d of 1 kg "
            f"{r.d_per_kg:6.2f}, {r.lines} lines, {r.looks:.0f} looks")


def _scene(found: Sequence[Measured], every: Sequence[Measured]) -> Iterator[str]:
    above = f", {MIXED_DB:g} dB above the reference point" if found[0].scene.hard else ", at the reference point"
    yield f"{found[0].scene}{above}: Pd and Pfa of the decision as shipped, one-sided 95 % bounds"
    for one in found:
        yield "  " + case_line(one)
    for tier_rows in ([one for one in found if one.reference.tier is tier]
                      for tier in dict.fromkeys(one.reference.tier for one in found)):
        yield f"  tier {tier_rows[0].reference.tier.name}, {conformal_line(tier_rows[0], every)}"
        yield from (f"  tier {tier_rows[0].reference.tier.name}, {said}" for said in (held_line(tier_rows),) if said)
    if found[0].axis is None:
        return
    for pfa in PFAS:
        yield f"  gap to the likelihood ratio's own theory at Pfa {pfa:g}, dB at Pd {PDS[0]:g} / {PDS[1]:g}"
        for detector in ("glrt", "network", "combined", "bare"):
            rows = [_gaps(one, detector, pfa) for one in found]
            if any(one.gap(detector, pfa=pfa) for one in found):
                yield f"    {detector:9s}" + "; ".join(rows)
                yield f"    {'':9s}mean {mean_gap(found, detector, pfa)}"


def case_line(one: Measured) -> str:
    """One case in a line, with what it misses."""
    n, hits = len(one.point.deflection), one.point.named
    lower, upper = lower_bound(hits, n), upper_bound(one.nulls.alarms, one.nulls.count)
    verdict = "; ".join(said.partition(": ")[2] for said in shortfalls(proven(one)))
    return (f"tier {one.reference.tier.name}  {one.reference.substance:24s} {one.mass_kg:8.3f} kg  Pd {hits}/{n} "
            f">= {lower:.3f}  Pfa {one.nulls.alarms}/{one.nulls.count} <= {upper:.4f}  another named "
            f"{one.point.another}  {one.point.decide_ms:.0f} ms" + (f"  SHORT: {verdict}" if verdict else ""))


def conformal_line(one: Measured, found: Sequence[Measured]) -> str:
    """What p-values the scans without a substance got, judged by an independent null set."""
    scores, twin = one.nulls.score["glrt"], one.twin(found)
    counts = ", ".join(f"{int(np.sum(np.exp(-scores) <= p))} at {p:g}" for p in STATED)
    own = f"the likelihood ratio's own p-value was met by {counts} of {len(scores)}"
    if one.scene.second and twin is None:
        return f"conformal p-values not judged, the first generator was not measured; {own}"
    judges = twin.nulls.score["glrt"] if twin else scores[one.judged:]
    seen = uniformity(scores[:one.judged], judges)
    few = ", ".join(f"{n} at {p:g}" for n, p in zip(seen.found, STATED, strict=True))
    whose = "of the first generator" if twin else "others"
    return (f"conformal p-values of {seen.scans} nulls against {seen.judges} {whose}: KS distance {seen.ks:.3f}, "
            f"p {seen.ks_p:.2f}, {few}; {own}")


def held_line(rows: Sequence[Measured]) -> str:
    """What a null set of the bay changes: the decision of half the nulls and of the targets held against the others."""
    one = rows[0]
    if one.scene.second:
        return ""
    pfa = Policy().pfa_per_scan
    nulls, judges = one.nulls.score["combined"][:one.judged], one.nulls.score["combined"][one.judged:]
    alarms, named = (int(np.sum((scores >= -math.log(pfa)) & (product_p(scores, judges) <= pfa))) for scores in
                     (nulls, np.concatenate([row.point.score["combined"] for row in rows])))
    if len(judges) < scans_needed(pfa):
        return ""
    targets, bound = sum(len(row.point.deflection) for row in rows), upper_bound(alarms, len(nulls))
    return (f"with {len(judges)} others as the bay's null set the decision alarms in {alarms} of {len(nulls)} scans "
            f"without a covered substance, at most {bound:.4f}, and names {named} of {targets} targets")


def _gaps(one: Measured, detector: str, pfa: float) -> str:
    both = [one.gap(detector, pd, pfa) for pd in PDS]
    return f"{one.reference.substance[:9]} {one.reference.tier.name} " + " / ".join(_gap(gap) for gap in both)


def _gap(gap: Gap | None) -> str:
    return f"{gap.gap_db:+.2f} ({gap.u_db:.2f})" if gap else "not reached"


@dataclass(frozen=True, slots=True)
class Mean:
    """A gap over all substances, dB: to theory and to the clairvoyant limit, with errors of trials and threshold."""

    own_db: float
    limit_db: float
    u_trials_db: float
    u_threshold_db: float


def mean_of(found: Sequence[Measured], detector: str, pd: float, pfa: float) -> Mean | None:
    """Weighted over substances; what their thresholds share, from the same nulls, does not average away."""
    gaps = [gap for one in found if (gap := one.gap(detector, pd, pfa)) and gap.u_db > 0.0]
    if not gaps:
        return None
    weight = np.array([gap.u_db**-2.0 for gap in gaps])
    own, limit = (float(np.average([getattr(gap, name) for gap in gaps], weights=weight)) for name in
                  ("gap_db", "limit_db"))
    shared = float(np.nanmean([gap.u_shared_db for gap in gaps]))
    return Mean(own, limit, math.sqrt(max(1.0 / weight.sum() - shared**2 / len(gaps), 0.0)), shared)


def mean_gap(found: Sequence[Measured], detector: str, pfa: float) -> str:
    """The mean gap in words, at each Pd."""
    means = [(pd, mean) for pd in PDS if (mean := mean_of(found, detector, pd, pfa))]
    return "; ".join(f"Pd {pd:g}: {mean.own_db:+.2f} dB (+-{mean.u_trials_db:.2f} of the trials, +-"
                     f"{mean.u_threshold_db:.2f} of the threshold), {mean.limit_db:+.2f} dB to the clairvoyant limit"
                     for pd, mean in means) or "not reached"


def promises(found: Sequence[Measured]) -> Iterator[str]:
    """What white noise should show: the likelihood ratio near its theory, the decision near the likelihood ratio."""
    white = [one for one in found if one.scene is Scene.WHITE]
    for pfa, pd in ((pfa, pd) for pfa in PFAS for pd in PDS):
        glrt, decision = (mean_of(white, detector, pd, pfa) for detector in ("glrt", "combined"))
        if glrt and decision:
            behind, u = decision.own_db - glrt.own_db, math.hypot(glrt.u_trials_db, glrt.u_threshold_db)
            near, close = ("held" if ok else "SHORT" for ok in (abs(glrt.own_db) <= THEORY_DB, behind <= BEHIND_DB))
            yield (f"white noise, Pfa {pfa:g}, Pd {pd:g}: GLRT {glrt.own_db:+.2f} dB (+-{u:.2f}) from its own theory, "
                   f"{THEORY_DB:g} wanted: {near}; decision {behind:+.2f} dB behind it, {BEHIND_DB:g} wanted: {close}")


def _gain(found: Sequence[Measured]) -> Iterator[str]:
    """What the reference channels are worth."""
    rows = [one for one in found if one.scene is Scene.MIXED]
    if rows:
        yield "reference channels, mixed scenes: likelihood ratio with them beside without, same Pd and Pfa"
    for one in rows:
        yield from (f"  {said}" for pfa in PFAS if (said := gain_line(one, pfa)))


def gain_line(one: Measured, pfa: float) -> str:
    """What the reference channels are worth to one substance; empty where it was not tried."""
    if one.scene is not Scene.MIXED:
        return ""
    gains = []
    for pd in PDS:
        ours, bare = one.gap("glrt", pd, pfa), one.gap("bare", pd, pfa)
        short = ours is not None and bare is not None and bare.gap_db - ours.gap_db < REFERENCES_DB
        gains.append(f"{bare.gap_db - ours.gap_db:+.2f} dB (+-{math.hypot(bare.u_db, ours.u_db):.2f}) at Pd {pd:g}"
                     + (f" SHORT of {REFERENCES_DB:g} dB" if short else "") if ours and bare
                     else f"without them Pd {pd:g} not reached" if ours else f"Pd {pd:g} not reached")
    return f"reference channels, {one.reference.substance} {one.reference.tier.name}, Pfa {pfa:g}: {'; '.join(gains)}"


def _agreement(found: Sequence[Measured]) -> Iterator[str]:
    """What both generators give, and how often chance alone would make them differ as much."""
    for one in found:
        twin = one.twin(found)
        if twin is not None:
            p = difference_p(twin.point.named, len(twin.point.deflection), one.point.named, len(one.point.deflection))
            q = difference_p(twin.nulls.alarms, twin.nulls.count, one.nulls.alarms, one.nulls.count)
            yield (f"second generator, {'mixed' if one.scene.hard else 'white'}, {one.reference.substance} "
                   f"{one.reference.tier.name}: Pd {twin.point.named}/{len(twin.point.deflection)} and "
                   f"{one.point.named}/{len(one.point.deflection)} (p {p:.2f}), Pfa {twin.nulls.alarms}/"
                   f"{twin.nulls.count} and {one.nulls.alarms}/{one.nulls.count} (p {q:.2f})")
    every = [(one, twin) for one in found if (twin := one.twin(found))]
    if every:
        tests = 2 * len(every)
        yield f"  {tests} tests: one below p {0.05 / tests:.4f} would prove a difference at 5 % over all (Bonferroni)"


def difference_p(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p-value of a difference between two proportions: Fisher's exact test."""
    def log_term(k: int) -> float:
        return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
                + math.lgamma(m + 1) - math.lgamma(a + b - k + 1) - math.lgamma(m - a - b + k + 1))

    terms = {k: log_term(k) for k in range(max(0, a + b - m), min(n, a + b) + 1)}
    top = max(terms.values())
    weight = {k: math.exp(value - top) for k, value in terms.items()}
    return min(1.0, sum(w for w in weight.values() if w <= weight[a] * (1.0 + 1e-9)) / sum(weight.values()))
