"""Draw what was measured as PNG, one file for each case: Pd along the mass axis, and ROC. Needs matplotlib.

A figure shows the measured points with their exact bounds beside theory and the clairvoyant limit, never a fitted
curve. Colours are told apart in grey too: each detector has its own marker, dash and lightness.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.bench import PFAS
from hil.bench.detection.curves import threshold
from hil.bench.detection.theory import DWELL_S, STANDOFF_M, THEORY_PFA, clairvoyant_pd
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from hil.bench.detection.bench import Measured
    from hil.bench.detection.trials import Targets


@dataclass(frozen=True, slots=True)
class Pen:
    """How one detector is drawn."""

    label: str
    colour: str
    marker: str
    points: float
    dashes: str


# From dark to light in grey: Okabe and Ito's colours, which the colour-blind can tell apart.
PENS: Final = {
    "glrt": Pen("likelihood ratio", "#0072b2", "o", 8.0, "-"), "combined": Pen("decision", "#000000", "s", 3.5, "--"),
    "network": Pen("network alone", "#d55e00", "^", 4.0, "-."),
    "bare": Pen("likelihood ratio without references", "#56b4e9", "v", 4.0, ":"),
}
BOUNDS_OF: Final = ("glrt", "combined")     # shading all of them would hide them all
# The ROC shows scans that theory detects sometimes: the rest is 0 or 1.
ROC_PD: Final = (0.2, 0.95)
INCHES: Final = (11.0, 5.0)


class NoMatplotlib(RuntimeError):
    """matplotlib is not installed, and only figures need it."""


def draw(found: Measured, folder: Path) -> Path | None:
    """Write the figure of a case; None where it has no mass axis. Raises `NoMatplotlib`."""
    if found.axis is None:
        return None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  optional, for figures alone
        from matplotlib.figure import Figure  # noqa: PLC0415  the same
    except ImportError as missing:
        raise NoMatplotlib("--figures needs matplotlib: install it, or leave --figures out") from missing
    figure = Figure(figsize=INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    reference = found.reference
    figure.suptitle(f"{reference.substance}, tier {reference.tier.name}, {found.scene} scenes at {STANDOFF_M:g} m in "
                    f"{DWELL_S:g} s: {found.nulls.count} scans without it, {len(found.axis.deflection)} with it",
                    fontsize=11)
    _pd_axis(left, found, found.axis)
    _roc_axis(right, found, found.axis)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    name = re.sub(r"[^a-z0-9]+", "-", f"{reference.substance} {reference.tier.name} {found.scene}".lower()).strip("-")
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=110)
    return path


def _pd_axis(axes: Axes, found: Measured, axis: Targets) -> None:
    """Pd over mass, at the Pfa of the reference point or the least that so few nulls can tell."""
    reference, nulls = found.reference, found.nulls
    pfa = max(PFAS[1] if found.scene.hard else PFAS[0], 1.0 / (nulls.count + 1.0))
    d = np.linspace(0.3 * float(axis.deflection.min()), 1.05 * float(axis.deflection.max()), 300)
    kg = d / reference.d_per_kg
    axes.plot(kg, [clairvoyant_pd(float(x), pfa) for x in d], color="0.45", linestyle=":", label="clairvoyant limit")
    axes.plot(kg, [reference.pd(float(x), pfa) for x in d], color="0.45", label="likelihood ratio, theory")
    for detector in _shown(found):
        _points(axes, found, detector, threshold(nulls.score[detector], pfa))
    axes.axvline(reference.mass_kg, color="0.7", linewidth=0.8)
    axes.annotate("reference", (reference.mass_kg, 0.02), rotation=90, color="0.4", fontsize=7, ha="right")
    axes.set(xscale="log", ylim=(-0.02, 1.02), ylabel="detection probability",
             xlabel=f"mass of {reference.substance}, kg (deflection d = {reference.d_per_kg:.3g} per kg)")
    axes.set_title(f"at a false-alarm probability of {pfa:.2g} per scan", fontsize=9)
    axes.xaxis.set_major_formatter("{x:.2g}")
    axes.xaxis.set_minor_formatter("{x:.2g}")
    axes.tick_params(axis="x", which="both", labelsize=7)


def _points(axes: Axes, found: Measured, detector: str, level: float) -> None:
    axis, pen = found.axis, PENS[detector]
    if axis is None:
        return
    at = np.unique(axis.deflection)
    hits = [axis.score[detector][axis.deflection == x] > level for x in at]
    kg = at / found.reference.d_per_kg
    axes.plot(kg, [float(one.mean()) for one in hits], color=pen.colour, marker=pen.marker, linestyle=pen.dashes,
              markersize=pen.points, markerfacecolor="none" if detector == "glrt" else pen.colour, linewidth=0.9,
              label=pen.label)
    if detector in BOUNDS_OF:
        counted = [(int(one.sum()), len(one)) for one in hits]
        axes.fill_between(kg, [lower_bound(*one) for one in counted], [upper_bound(*one) for one in counted],
                          color=pen.colour, alpha=0.12, linewidth=0.0,
                          label=f"{pen.label}, exact bounds of 95 % each")


def _roc_axis(axes: Axes, found: Measured, axis: Targets) -> None:
    """Pd over Pfa for scans near the limit, beside what theory and the limit give those very scans."""
    low, high = (found.reference.required(pd, THEORY_PFA) for pd in ROC_PD)
    near = (axis.deflection >= low) & (axis.deflection <= high)
    least = 1.0 / (found.nulls.count + 1.0)
    if near.any():
        rates, d = np.geomspace(least, 1.0 - 1e-9, 120), axis.deflection[near]
        axes.plot(rates, [np.mean([clairvoyant_pd(float(x), float(p)) for x in d]) for p in rates], color="0.45",
                  linestyle=":", label="clairvoyant limit")
        axes.plot(rates, [np.mean([found.reference.pd(float(x), float(p)) for x in d]) for p in rates], color="0.45",
                  label="likelihood ratio, theory")
        for detector in _shown(found):
            pfa, pd = _roc(found.nulls.score[detector], axis.score[detector][near])
            axes.step(pfa, pd, where="post", color=PENS[detector].colour, linestyle=PENS[detector].dashes,
                      linewidth=1.2, label=PENS[detector].label)
    kg = (low / found.reference.d_per_kg, high / found.reference.d_per_kg)
    axes.set(xscale="log", xlim=(least, 1.0), ylim=(-0.02, 1.02), xlabel="false-alarm probability per scan",
             ylabel="detection probability")
    axes.set_title(f"{int(near.sum())} scans of {kg[0]:.2f} to {kg[1]:.2f} kg", fontsize=9)


def _shown(found: Measured) -> Iterator[str]:
    return (name for name in PENS if np.isfinite(found.nulls.score[name]).all())


def _roc(nulls: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pd over the conformal Pfa, k / (n + 1) at the k-th highest null."""
    levels = np.sort(nulls)[::-1]
    return np.arange(1, len(levels) + 1) / (len(levels) + 1.0), np.array([(scores > level).mean() for level in levels])
