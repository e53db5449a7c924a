"""spingate coverage: which substances are covered, by which lines, how well that is proven, and what falls short.

It reads the line table and the measured figures in the package, and claims nothing that is not in them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gateway.cli.words import add_json, print_json
from gateway.detection.coverage import PD_WANTED, PFA_WANTED, coverage, shipped_figures

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gateway.detection.coverage import Coverage, CoveredLine, Figures, Proven

EMULATED = ("Emulated scans; nothing here was measured on a real load. Lines and relaxation times marked as priors are "
            "assumptions.")

def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate coverage`."""
    parser = subparsers.add_parser("coverage", help="show which substances are covered, how well, and what falls short",
                                   description=EMULATED)
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/detection.md")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    figures = shipped_figures()
    found = coverage(figures)
    if arguments.json:
        print_json({"emulated": True, "measured_with": figures.model_sha256, "model_sha256": shipped_card(),
                    "standoff_m": figures.standoff_m, "dwell_s": figures.dwell_s,
                    "substances": found, "not_covered": not_covered()})
    else:
        print("\n".join(markdown(found) if arguments.markdown else lines(found, figures)))
    return 0


def shipped_card() -> str:
    """Return the digest of the card of the model in the package."""
    from gateway.judgement import SHIPPED_MODEL

    return hashlib.sha256((SHIPPED_MODEL / "model.toml").read_bytes()).hexdigest()


def not_covered() -> tuple[str, ...]:
    """Return the substances that the line table names and knows no line of: they are never reported clear."""
    from calibration.lines import line_table

    return line_table().not_covered


def lines(found: tuple[Coverage, ...], figures: Figures) -> Iterator[str]:
    """Yield the table for a person."""
    yield EMULATED
    yield f"Pure substance at {figures.standoff_m:g} m, {figures.dwell_s:g} s, {figures.kelvin:g} K; bounds are 95 %."
    if figures.model_sha256 != shipped_card():
        yield "Measured with another model than the one in this package: the figures are not proven for this one."
    for one in found:
        yield ""
        yield one.substance
        yield from (f"  line         {line_words(line)}" for line in one.lines)
        yield from (f"  proven       {row_words(row)}" for row in one.proven)
        yield from (f"  FALLS SHORT  {said}" for said in one.shortfalls)
    yield ""
    yield f"Not covered, never clear: {', '.join(not_covered())}."
    yield "Shielded, liquid or amorphous content gives no line: it is not inspectable, never clear."


def line_words(line: CoveredLine) -> str:
    """Return one line in words."""
    where = f"band at {line.carrier_khz:g} kHz" if line.carrier_khz else "in no band"
    priors = f"; prior: {', '.join(line.priors)}" if line.priors else ""
    return f"{line.frequency_khz:g} kHz ({line.transition}, {line.status}), {where}{priors}"


def row_words(row: Proven) -> str:
    """Return what was shown in one kind of scene."""
    return (f"tier {row.tier}, {row.scene}, {row.mass_kg:.2f} kg (reference {row.reference_kg:.2f} kg): Pd "
            f"{row.named}/{row.trials} >= {row.pd_lower95:.3f}, Pfa {row.alarms}/{row.nulls} <= {row.pfa_upper95:.4f}")


def markdown(found: tuple[Coverage, ...]) -> Iterator[str]:
    """Yield the same as two tables: detection of each substance, and false alarms of a scan."""
    rows = [row for one in found for row in one.proven]
    scenes = tuple(dict.fromkeys(row.scene for row in rows))
    yield f"| substance | lines, kHz | tier | reference, kg | {' | '.join(scenes)} |"
    yield "|---" * (4 + len(scenes)) + "|"
    for one in found:
        places = ", ".join(f"{line.frequency_khz:g}" for line in one.lines)
        for tier in dict.fromkeys(row.tier for row in one.proven):
            shown = {row.scene: row for row in one.proven if row.tier == tier}
            cells = " | ".join(cell(shown.get(scene)) for scene in scenes)
            kg = next(iter(shown.values())).reference_kg
            yield f"| {one.substance} | {places} | {tier} | {kg:.2f} | {cells} |"
    yield from ("", "| tier | scenes | false alarms | proven at most | wanted |", "|---|---|---|---|---|")
    for (tier, scene), row in {(row.tier, row.scene): row for row in rows}.items():
        over = row.pfa_upper95 - PFA_WANTED
        missed = f"{over:.4f} too many" if over > 0.0 else "held"
        yield f"| {tier} | {scene} | {row.alarms} of {row.nulls} | {row.pfa_upper95:.4f} | {PFA_WANTED:g}: {missed} |"


def cell(row: Proven | None) -> str:
    """Return hits, bound and mass of one kind of scene, and by how much the bound falls short."""
    if row is None:
        return "not measured"
    short = f" (**{PD_WANTED - row.pd_lower95:.3f} short**)" if row.pd_lower95 < PD_WANTED else ""
    return f"{row.named}/{row.trials}, proven {row.pd_lower95:.3f}{short} at {row.mass_kg:.2f} kg"
