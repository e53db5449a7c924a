"""The measured figures as the tables of docs/detection.md, and as the file of `spingate coverage`. No measuring.

What is printed can be pasted as it is: a figure stands beside its bound or its standard error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.detection.coverage import Figures, shortfalls
from hil.bench.detection.bench import PDS, PFAS, proven
from hil.bench.detection.report import conformal_line, difference_p, gain_line, held_line, mean_gap, promises
from hil.bench.detection.theory import DWELL_S, KELVIN, STANDOFF_M, THEORY_PD, THEORY_PFA, clairvoyant_d, decibel
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hil.bench.detection.bench import Measured
    from hil.bench.detection.theory import Reference

REFERENCE_HEAD: Final = (
    "| tier | substance | lines | looks | d of 1 kg | known | **reference** | T2e x 0.3 | x 3 | d there | limit, dB |",
    "|---|---|---|---|---|---|---|---|---|---|---|")
SCENE_HEAD: Final = ("| substance | kg | Pd of the decision | another named | GLRT | network | decision |",
                     "|---|---|---|---|---|---|---|")
SECOND_HEAD: Final = ("| substance | first generator | second generator | Fisher p |", "|---|---|---|---|")
SHORT_HEAD: Final = ("| substance | wanted | found |", "|---|---|---|")


def page(found: Sequence[Measured]) -> list[str]:
    """All tables."""
    points = dict.fromkeys(one.reference for one in found)
    said = ["## Reference points", "", *REFERENCE_HEAD, *(_reference(r) for r in points)]
    for tier in dict.fromkeys(one.reference.tier for one in found):
        for scene in dict.fromkeys(one.scene for one in found):
            rows = [one for one in found if one.scene is scene and one.reference.tier is tier]
            if rows:
                said += ["", f"## {scene[0].upper()}{scene[1:]}, tier {tier.name}", "", *_scene(rows, found)]
    return [*said, "", *(f"- {line}" for line in promises(found)), "", "## What falls short", "", *SHORT_HEAD,
            *_short(found)]


def coverage_file(found: Sequence[Measured], digest: str) -> str:
    """What `spingate coverage` reads."""
    figures = Figures(digest, STANDOFF_M, DWELL_S, KELVIN, tuple(proven(one) for one in found))
    return msgspec.json.format(msgspec.json.encode(figures), indent=1).decode() + "\n"


def _reference(r: Reference) -> str:
    d = r.required(THEORY_PD, THEORY_PFA)
    above = decibel(d, clairvoyant_d(THEORY_PD, THEORY_PFA))
    few, many = (r.mass_kg * r.d_per_kg / swept for swept in r.d_per_kg_by_t2e)
    return (f"| {r.tier.name} | {r.substance} | {r.lines} | {r.looks:.0f} | {r.d_per_kg:.2f} | {r.known_kg:.2f} | "
            f"**{r.mass_kg:.2f}** | {few:.2f} | {many:.2f} | {d:.2f} | {above:.1f} |")


def _scene(rows: Sequence[Measured], found: Sequence[Measured]) -> Iterator[str]:
    if rows[0].axis is not None:
        yield from SCENE_HEAD
        yield from (_case(one) for one in rows)
        yield ""
        yield from (f"- {name}, Pfa {_pfa(rows[0]):g}: {mean_gap(rows, detector, _pfa(rows[0]))}" for detector, name in
                    (("glrt", "GLRT"), ("network", "network"), ("combined", "decision")))
        yield from (f"- {said}" for one in rows if (said := gain_line(one, _pfa(one))))
    else:
        yield from _twins(rows, found)
        yield ""
    nulls = rows[0].nulls
    yield (f"- False alarms of the decision: {nulls.alarms} of {nulls.count}, at most "
           f"{upper_bound(nulls.alarms, nulls.count):.4f} per scan.")
    yield f"- {conformal_line(rows[0], found)}."
    if said := held_line(rows):
        yield f"- {said}."


def _pfa(one: Measured) -> float:
    """The false-alarm probability at which gaps stand in the table."""
    return PFAS[1] if one.scene.hard else PFAS[0]


def _case(one: Measured) -> str:
    n, hits = len(one.point.deflection), one.point.named
    gaps = " | ".join(_gap(one, detector) for detector in ("glrt", "network", "combined"))
    return (f"| {one.reference.substance} | {one.mass_kg:.2f} | {hits}/{n}, ≥ {lower_bound(hits, n):.3f} | "
            f"{one.point.another} | {gaps} |")


def _gap(one: Measured, detector: str) -> str:
    half, most = (one.gap(detector, pd, _pfa(one)) for pd in PDS)
    if half is None or most is None:
        return "not reached" if half is None else f"{half.gap_db:+.1f} / not reached ± {half.u_db:.1f}"
    return f"{half.gap_db:+.1f} / {most.gap_db:+.1f} ± {max(half.u_db, most.u_db):.1f}".replace("-", "\N{MINUS SIGN}")


def _twins(rows: Sequence[Measured], found: Sequence[Measured]) -> Iterator[str]:
    """Both generators side by side."""
    yield from SECOND_HEAD
    for one in rows:
        twin = one.twin(found)
        n, hits = len(one.point.deflection), one.point.named
        mine = f"{hits}/{n}, ≥ {lower_bound(hits, n):.3f}"
        if twin is None:
            yield f"| {one.reference.substance} | not measured | {mine} | |"
        else:
            m, theirs = len(twin.point.deflection), twin.point.named
            yield (f"| {one.reference.substance} | {theirs}/{m}, ≥ {lower_bound(theirs, m):.3f} | {mine} | "
                   f"{difference_p(theirs, m, hits, n):.2f} |")
    twin = rows[0].twin(found)
    if twin is not None:
        a, n, b, m = twin.nulls.alarms, twin.nulls.count, rows[0].nulls.alarms, rows[0].nulls.count
        yield f"| *false alarms* | {a}/{n} | {b}/{m} | {difference_p(a, n, b, m):.2f} |"


def _short(found: Sequence[Measured]) -> Iterator[str]:
    """What is missed, false alarms once for each kind of scene: they are those of a whole scan."""
    said = {(one.reference.substance if "Pd" in missed else "any", missed): "Pd" in missed
            for one in found for missed in shortfalls(proven(one))}
    if not said:
        yield "| none | | |"
    for (name, missed), detection in said.items():
        yield f"| {name} | {'Pd ≥ 0.95' if detection else 'Pfa ≤ 0.01'} proven | {missed} |"
