"""How long to wait before the next try: doubling, with a ceiling, and with chance against stampedes. Pure."""

from __future__ import annotations

DOUBLINGS_MAX = 32  # beyond it any start has long passed any ceiling; keeps the power small


def wait_s(failures: int, first_s: float, ceiling_s: float, chance: float) -> float:
    """Return the wait after `failures` (1 or more) in a row; `chance` in [0, 1) takes up to a quarter off.

    A fleet that lost one broker must not come back in one instant, hence the chance.
    """
    doubled = first_s * float(1 << min(max(failures - 1, 0), DOUBLINGS_MAX))
    return min(doubled, ceiling_s) * (1.0 - 0.25 * chance)
