"""The figures of sequential looks for a person. It only words them: what is measured stands in sequential.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.bench.detection.theory import DWELL_S
from hil.bench.sequential_theory import ALLOWED_DB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.bench.sequential import SequentialCase
    from hil.bench.sequential_theory import SpendingFigures

HEAD = (f"{'substance':<24}{'scene':<7}{'mass':>16}{'Pd / Pfa':>12}{'95 %':>9}{'clear':>7}{'not insp.':>11}"
        f"{'mean dwell':>12}{'of fixed':>10}")


def case_line(one: SequentialCase) -> str:
    """Return one kind of load: Pd with its lower bound where a substance is there, Pfa with its upper one without."""
    if one.gain_db is None:
        what, hits, sign = "none", one.invented, "<="
    else:
        what, hits, sign = f"{one.mass_kg:.2f} kg {one.gain_db:+.0f} dB", one.named, ">="
    return (f"{one.substance:<24}{one.scene:<7}{what:>16}{f'{hits}/{one.trials}':>12}{f'{sign} {one.bound95:.3f}':>9}"
            f"{one.clear:>7}{one.not_inspectable:>11}{f'{one.mean_dwell_s:.0f} s':>12}"
            f"{one.mean_dwell_s / DWELL_S:>10.0%}")


def spending_lines(substance: str, found: SpendingFigures) -> list[str]:
    """Return what one way of spending gives on chi-square statistics alone."""
    power = "; ".join(f"{one.gain_db:+.0f} dB: Pd {one.pd:.4f} after {one.dwell_s:.0f} s (fixed {one.fixed_pd:.4f})"
                      for one in found.power)
    times = ", ".join(f"{db:g} dB {'never' if clear_s is None else f'{clear_s:.0f} s'}"
                      for db, clear_s in zip(ALLOWED_DB, found.clear_s, strict=True))
    return [(f"{substance}, simulated, {found.how}: {found.false_alarms} false alarms in {found.nulls} loads "
             f"(upper 95 % {found.pfa_upper95:.4f})"),
            f"  clear after, by what the policy allows above a fixed scan's limit: {times}", f"  {power}"]


def all_lines(spending: Sequence[tuple[str, SpendingFigures]], cases: Sequence[SequentialCase]) -> list[str]:
    """Return everything."""
    told = [line for substance, found in spending for line in spending_lines(substance, found)]
    allowed = {one.substance: one.allowed_kg for one in cases}
    return [*told, *(f"the policy allows {kg:.3g} kg of {name}" for name, kg in allowed.items()), HEAD,
            *(case_line(one) for one in cases)]
