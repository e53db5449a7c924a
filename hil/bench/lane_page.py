"""The magnetic lane's figures for a person. It only words them: what is measured stands in lane.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.bench.lane import LaneFigures


def lane_lines(found: LaneFigures) -> list[str]:
    """Return one noise and sensor in words, detections along the deflection first."""
    sensor = "scalar sensor" if found.channels == 1 else f"{found.channels} components"
    rows = [f"{one.deflection:6.1f} {one.searched / one.trials:8.2f} {one.searched_lower95:12.3f} "
            f"{one.energy / one.trials:12.2f} {one.theory:8.2f}" for one in found.detected]
    time, crossing, closest, moment = (f"{share:.2f}" for share in found.inside)
    return [
        f"{found.noise} noise, {sensor}, {found.detected[0].trials} passes a row, seed {found.seed}",
        "     d   search   lower 95 %   energy only   theory",
        *rows,
        f"gap to theory at Pd 0.5 / 0.9: {found.gap_to_theory_db[0]:.2f} / {found.gap_to_theory_db[1]:.2f} dB",
        f"better than energy alone: {found.gain_over_energy_db[0]:.2f} / {found.gain_over_energy_db[1]:.2f} dB",
        (f"quiet minutes with an alarm at 60 an hour: {found.quiet_alarms} of {found.quiet_trials}"
         f" (upper 95 % {found.pfa_upper95:.3f}; 0.632 is stated)"),
        f"inside k = 1, of {found.measured}: time {time}, crossing {crossing}, closest {closest}, moment {moment}",
    ]
