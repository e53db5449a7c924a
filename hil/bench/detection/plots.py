"""Draw what was measured as PNG, one file for each case: Pd along the mass axis, and ROC. Needs matplotlib.

A figure shows the measured points beside theory and the clairvoyant limit, never a fitted curve alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.bench import PFAS
from hil.bench.detection.curves import threshold
from hil.bench.detection.theory import THEORY_PFA, clairvoyant_pd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from hil.bench.detection.bench import Measured
    from hil.bench.detection.trials import Targets

LABELS: Final = {"glrt": "likelihood ratio", "network": "network", "combined": "decision", "bare": "without references"}
# The ROC shows scans that theory detects sometimes: the rest is 0 or 1.
ROC_PD: Final = (0.2, 0.95)


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
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    reference = found.reference
    figure.suptitle(f"{reference.substance}, tier {reference.tier.name}, {found.scene}: {found.nulls.count} nulls, "
                    f"{len(found.axis.deflection)} scans on the mass axis")
    _pd_axis(left, found, found.axis)
    _roc_axis(right, found, found.axis)
    name = re.sub(r"[^a-z0-9]+", "-", f"{reference.substance} {reference.tier.name} {found.scene}".lower()).strip("-")
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=110)
    return path


def _pd_axis(axes: Axes, found: Measured, axis: Targets) -> None:
    """Pd over deflection at the bench's Pfa."""
    d, pfa = np.linspace(0.0, float(axis.deflection.max()), 200), PFAS[1] if found.scene.hard else PFAS[0]
    axes.plot(d, [clairvoyant_pd(float(x), pfa) for x in d], "k:", label="clairvoyant limit")
    axes.plot(d, [found.reference.pd(float(x), pfa) for x in d], "k-", label="likelihood ratio, theory")
    for detector in _shown(found):
        level = threshold(found.nulls.score[detector], pfa)
        if not np.isfinite(level):     # too few nulls for this Pfa: nothing was measured
            continue
        at = np.unique(axis.deflection)
        share = [float((axis.score[detector][axis.deflection == x] > level).mean()) for x in at]
        axes.plot(at, share, "o--", markersize=4, linewidth=0.8, label=LABELS[detector])
    axes.set(xlabel="deflection d of the mass at the reference point", ylabel=f"Pd at Pfa {pfa:g} per scan")
    axes.legend(fontsize=8)


def _roc_axis(axes: Axes, found: Measured, axis: Targets) -> None:
    """Pd over Pfa for scans near the limit."""
    low, high = (found.reference.required(pd, THEORY_PFA) for pd in ROC_PD)
    near = (axis.deflection >= low) & (axis.deflection <= high)
    if near.any():
        for detector in _shown(found):
            pfa, pd = _roc(found.nulls.score[detector], axis.score[detector][near])
            axes.step(pfa, pd, where="post", label=LABELS[detector])
    axes.set(xscale="log", xlim=(1e-3, 1.0), ylim=(0.0, 1.02), xlabel="Pfa per scan",
             ylabel=f"Pd, scans of d {low:.1f} to {high:.1f}")
    axes.legend(fontsize=8)


def _shown(found: Measured) -> Iterator[str]:
    return (name for name in LABELS if np.isfinite(found.nulls.score[name]).all())


def _roc(nulls: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    levels = np.sort(nulls)[::-1]
    return np.arange(len(levels)) / len(levels), np.array([(scores > level).mean() for level in levels])
