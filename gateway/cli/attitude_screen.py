"""What a technician sees while attitudes are collected: a map of the sphere, a bar, and what to do next.

On a terminal the screen is drawn in place; elsewhere each attitude is one plain line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calibration.directions import GAP_DEG_MAX

if TYPE_CHECKING:
    from rich.console import RenderableType

    from calibration.attitude import Progress
    from calibration.attitude_session import AttitudeSession
    from calibration.certificate import Certificate
    from calibration.vector_certificate import Calibrated
    from calibration.vector_field import Floats

MAP_COLUMNS, MAP_ROWS = 36, 9   # 10 degrees around, equal heights (so equal areas) from +z to -z
WIDTH = 78
EMPTY, HELD, NOW = ".", "o", "@"


def sphere_map(directions: Floats, now: Floats) -> list[str]:
    """Return the sphere around the sensor, unrolled, as lines of text; `now` is marked over what is held."""
    cells = [[EMPTY] * MAP_COLUMNS for _ in range(MAP_ROWS)]
    for marker, rows in ((HELD, directions), (NOW, now[None] if now.any() else np.empty((0, 3)))):
        for direction in rows:
            row, column = _cell(direction)
            cells[row][column] = marker
    labels = {0: "+z", MAP_ROWS // 2: " 0", MAP_ROWS - 1: "-z"}
    lines = [f"{labels.get(row, '  ')} {''.join(line)}" for row, line in enumerate(cells)]
    quarter = MAP_COLUMNS // 4
    return [*lines, "   " + "".join(f"{name:<{quarter}}" for name in ("-x", "-y", "+x", "+y")) + "-x"]


def screen(session: AttitudeSession, elapsed_s: float, seconds_max: float, port: str) -> RenderableType:
    """Return the whole screen; before the first sample, what is waited for."""
    if session.collector is None:
        return Panel(Text(f"waiting for the sensor: {session.why_nothing()}"), title=port, width=WIDTH)
    progress = session.collector.progress()
    bar = Table.grid(padding=(0, 1))
    bar.add_row("attitudes", ProgressBar(total=progress.wanted, completed=progress.attitudes, width=36),
                f"{progress.attitudes}/{progress.wanted}")
    bar.add_row("time", ProgressBar(total=seconds_max, completed=elapsed_s, width=36, complete_style="dim"),
                f"{elapsed_s:.0f} s of {seconds_max:.0f} s")
    sphere = Text("\n".join(sphere_map(progress.directions, progress.now)))
    sphere.highlight_regex(r"@", "bold yellow")
    sphere.highlight_regex(r"o", "bold green")
    missing = Text(f"{8 - len(progress.missing)} of 8 octants, widest gap {progress.gap_deg:.0f} degrees "
                   f"(at most {GAP_DEG_MAX:.0f} in the end)", style="dim")
    advice = Text(f"next: {progress.advice}", style="bold")
    return Panel(Group(bar, Text(), sphere, Text("   o held   @ the field now   . not yet", style="dim"),
                       Text(), missing, advice),
                 title=f"{session.device.model if session.device else ''} on {port}", width=WIDTH)


def attitude_line(progress: Progress) -> str:
    """Return one plain line for an attitude that was just held."""
    octants = f"{8 - len(progress.missing)} of 8 octants"
    return f"attitude {progress.attitudes} of {progress.wanted} held, {octants}; next: {progress.advice}"


def result_lines(found: Calibrated, certificate: Certificate) -> list[str]:
    """Return the fit as lines a technician can copy."""
    fit, u = found.fit, np.sqrt(np.diag(found.fit.covariance))
    rows = [
        (f"{len(fit.residuals)} attitudes, {len(fit.outliers)} left out as outliers, condition number "
         f"{fit.condition:.2f}, residual rms {fit.residual_rms:.3g} nT"),
        f"noise of one row {', '.join(f'{noise:.3g}' for noise in found.row_noise)} nT (x, y, z)",
    ]
    if fit.birge > 1.0:
        rows.append(f"the residuals exceed the noise {fit.birge:.2f} times: uncertainties were raised by that")
    for axis, name in enumerate("xyz"):
        rows.append(f"offset {name}  {fit.parameters.offset[axis]:+12.3f} nT     u {u[axis]:.2g} nT")
    for axis, name in enumerate("xyz"):
        rows.append(f"scale  {name}  {fit.parameters.scale[axis]:12.7f}        u {u[3 + axis]:.2g}")
    for axis, name in enumerate(("xy", "xz", "yz")):
        angle, u_angle = np.degrees([fit.parameters.angle_rad[axis], u[6 + axis]]) * 3600.0
        rows.append(f"angle {name}  {angle:+12.1f} arcsec  u {u_angle:.2g} arcsec")
    return [*rows, f"valid until {certificate.statement.valid_until:%Y-%m-%d %H:%M} UTC"]


def _cell(direction: Floats) -> tuple[int, int]:
    """Return row and column: equal steps of z down, azimuth from -x around by -y, +x, +y."""
    row = int((1.0 - direction[2]) / 2.0 * MAP_ROWS)
    column = int((np.arctan2(direction[1], direction[0]) + np.pi) / (2.0 * np.pi) * MAP_COLUMNS)
    return min(row, MAP_ROWS - 1), column % MAP_COLUMNS
