"""Chi-square and F tails, and the detection probability of a generalised likelihood ratio, without SciPy.

Exact finite sums for even degrees of freedom; Paulson's approximation for F. No data pass through this file.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

# Above this noncentrality the Poisson sum is so far from every threshold in use that Pd is 1 in double precision.
NONCENTRALITY_MAX = 2000.0
# Bisection steps: 2**-60 of any bracket is below double precision.
BISECTIONS = 60
# Terms of a continued fraction, and how near one its last factor must be; it converges in about ten.
FRACTIONS_MAX = 200
FRACTION_EXACT = 1e-12


def log_sf_even(x: float, pairs: int) -> float:
    """Natural log of P(chi-square with 2 * pairs degrees of freedom > x): a Poisson sum, exact.

    In logarithms because a strong line has a tail probability far below the smallest double.
    """
    half = x / 2.0
    if half <= 0.0:
        return 0.0
    terms = [k * math.log(half) - math.lgamma(k + 1) for k in range(pairs)]
    top = max(terms)
    return min(0.0, top - half + math.log(sum(math.exp(t - top) for t in terms)))


def log_sf_ratio(x: float, pairs: int, dof_below: int) -> float:
    """As `log_sf_even`, for noise whose variance was itself estimated with `dof_below` degrees of freedom.

    The tail of F(2 * pairs, dof_below) at x / (2 * pairs), exact: its incomplete beta function is a finite sum.
    """
    if x <= 0.0:
        return 0.0
    half, share = dof_below / 2.0, x / (x + dof_below)
    terms = [math.lgamma(half + k) - math.lgamma(half) - math.lgamma(k + 1) + k * math.log(share)
             for k in range(pairs)]
    top = max(terms)
    return min(0.0, top - half * math.log1p(x / dof_below) + math.log(sum(math.exp(t - top) for t in terms)))


@lru_cache(maxsize=256)
def isf_even(p: float, pairs: int) -> float:
    """Threshold that chi-square with 2 * pairs degrees of freedom exceeds with probability p (0 < p < 1)."""
    low, high, goal = 0.0, 1.0, math.log(p)
    while log_sf_even(high, pairs) > goal:
        high *= 2.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_sf_even(middle, pairs) > goal else (low, middle)
    return (low + high) / 2.0


def detection_probability(threshold: float, pairs: int, deflection: float) -> float:
    """P(noncentral chi-square, 2 * pairs degrees of freedom, noncentrality deflection**2, > threshold).

    The Pd of `pairs` lines with free complex amplitudes: a Poisson mixture of central tails. Each tail is the one
    before and one Poisson term more; summing all of them anew for each took 1.2 s of a start, this 0.03 s.
    """
    mean, half = deflection * deflection / 2.0, threshold / 2.0
    if half <= 0.0 or 2.0 * mean > max(NONCENTRALITY_MAX, 4.0 * threshold):
        return 1.0
    total, tail = 0.0, math.exp(log_sf_even(threshold, pairs))
    for k in range(int(mean + 12.0 * math.sqrt(mean + 1.0) + 30.0)):
        total += poisson(k, mean) * tail
        tail += poisson(pairs + k, half)
    return min(1.0, total)


def poisson(k: int, mean: float) -> float:
    """P(Poisson of this mean = k)."""
    if mean <= 0.0:
        return 1.0 if k == 0 else 0.0
    return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))


@lru_cache(maxsize=256)
def required_deflection(pd: float, threshold: float, pairs: int) -> float:
    """Deflection d at which the detection probability over this threshold is pd."""
    low, high = 0.0, math.sqrt(threshold) + 10.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if detection_probability(threshold, pairs, middle) < pd else (low, middle)
    return (low + high) / 2.0


def f_threshold(p: float, dof_above: int, dof_below: int) -> float:
    """Value that the ratio of two variance estimates exceeds with probability p.

    Wilson-Hilferty cube roots of both chi-squares (Paulson, Ann. Math. Stat. 13 (1942) 233), solved for F.
    `dof_below` large gives the chi-square threshold over its degrees of freedom.
    """
    z = NormalDist().inv_cdf(1.0 - p)
    a, b = 2.0 / (9.0 * dof_above), 2.0 / (9.0 * dof_below)
    # (1-b) c - (1-a) = z sqrt(b c^2 + a) with c the cube root of F: a quadratic in c.
    square, linear, constant = (1 - b) ** 2 - z * z * b, -2 * (1 - a) * (1 - b), (1 - a) ** 2 - z * z * a
    if square <= 0.0:
        message = f"f_threshold: p = {p} with dof_below = {dof_below}: more degrees of freedom are needed"
        raise ValueError(message)
    root = math.sqrt(linear * linear - 4.0 * square * constant)
    return float(((-linear + math.copysign(root, z)) / (2.0 * square)) ** 3)


def log_sf(x: float, dof: int) -> float:
    """Natural log of P(chi-square with `dof` degrees of freedom > x), even or odd: exact, a finite sum."""
    if dof % 2 == 0:
        return log_sf_even(x, dof // 2)
    half = x / 2.0
    if half <= 0.0:
        return 0.0
    terms = [(j - 0.5) * math.log(half) - half - math.lgamma(j + 0.5) for j in range(1, (dof + 1) // 2)]
    root = math.sqrt(half)
    # Beyond 26 erfc leaves double precision; its expansion is then good to 1e-3 of itself, relative.
    terms.append(math.log(math.erfc(root)) if root < 26.0 else -half - math.log(root * math.sqrt(math.pi)))
    top = max(terms)
    return min(0.0, top + math.log(sum(math.exp(t - top) for t in terms)))


@lru_cache(maxsize=256)
def isf(p: float, dof: int) -> float:
    """Threshold that chi-square with `dof` degrees of freedom exceeds with probability p (0 < p < 1)."""
    low, high, goal = 0.0, 1.0, math.log(p)
    while log_sf(high, dof) > goal:
        high *= 2.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_sf(middle, dof) > goal else (low, middle)
    return (low + high) / 2.0


def log_sf_estimated(x: float, dof: int, dof_below: int) -> float:
    """As `log_sf`, for noise whose variance was itself estimated with `dof_below` degrees of freedom.

    The incomplete beta function by its continued fraction (Abramowitz and Stegun 26.5.8), for x above the mean.
    """
    if x <= dof:
        return 0.0
    a, b, share = dof_below / 2.0, dof / 2.0, dof_below / (dof_below + x)
    fraction, c, d = 1.0, 1.0, 0.0
    for n in range(1, FRACTIONS_MAX):
        m = n // 2
        step = (m * (b - m) if n % 2 == 0 else -(a + m) * (a + b + m)) * share / ((a + n - 1) * (a + n))
        d = 1.0 / (1.0 + step * d)
        c = 1.0 + step / c
        fraction *= c * d
        if abs(c * d - 1.0) < FRACTION_EXACT:
            break
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return min(0.0, a * math.log(share) + b * math.log1p(-share) - math.log(a) - log_beta - math.log(fraction))


def isf_estimated(p: float, dof: int, dof_below: int) -> float:
    """As `isf`, for a variance that was estimated with `dof_below` degrees of freedom (0 < p << 1)."""
    low, high, goal = float(dof), 2.0 * dof, math.log(p)
    while log_sf_estimated(high, dof, dof_below) > goal:
        high *= 2.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_sf_estimated(middle, dof, dof_below) > goal else (low, middle)
    return (low + high) / 2.0
