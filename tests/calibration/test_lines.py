"""The line table says only what it knows, and what is assumed says so."""

from __future__ import annotations

from importlib.resources import files

import pytest

from calibration.lines import LineTableRefused, Role, Status, covered, line_table, parse
from calibration.moment import COMPOSITIONS, axial_field_ft, composition_of, moment_per_kg
from calibration.priors import properties
from calibration.schedule import dwell_of, lines_in, repetition_s, schedule, train_s

TEXT = files("calibration").joinpath("nqr_lines.toml").read_text()

# Published or recalled Q in kHz and eta (spin 1), and the lines they give: nu+-= 3/4 Q (1 +- eta/3), nu0 = Q eta/2.
QUADRUPOLE = [
    ("RDX (alpha)", "ring 1", 5799.0, 0.6146, 1.0),
    ("RDX (alpha)", "ring 2", 5735.0, 0.6215, 1.0),
    ("RDX (alpha)", "ring 3", 5604.0, 0.6024, 1.0),
    ("cocaine base", "N", 5022.9, 0.0395, 0.2),
    ("heroin base", "N", 5316.3, 0.028, 0.7),
    ("cocaine hydrochloride", "N", 1178.0, 0.263, 1.0),
    ("glycine (alpha)", "NH3+", 1180.0, 0.53, 0.5),
    ("urea-d4", "ND2", 3548.74, 0.31571, 0.5),
    ("urea", "NH2", 3507.5, 0.322, 1.0),
]


@pytest.mark.parametrize(("compound", "site", "q", "eta", "within"), QUADRUPOLE)
def test_lines_follow_from_the_quadrupole_coupling_that_is_cited(compound: str, site: str, q: float, eta: float,
                                                                 within: float) -> None:
    """Each tabulated frequency is the one its published Q and eta give, within its rounding."""
    expected = {"nu+": 0.75 * q * (1 + eta / 3), "nu-": 0.75 * q * (1 - eta / 3), "nu0": q * eta / 2}
    lines = [line for line in line_table().lines_of(compound) if line.site == site and line.nucleus == "14N"]
    assert {line.transition for line in lines} == set(expected)
    for line in lines:
        assert line.frequency_khz == pytest.approx(expected[line.transition], abs=within)


def test_the_covered_substances_are_the_eight_of_the_closed_list() -> None:
    """Nothing becomes covered, or stops being covered, unnoticed."""
    assert {s.name: sorted(line.frequency_khz for line in s.lines) for s in covered()} == {
        "ammonium nitrate": [423.0, 496.0], "potassium chlorate": [531.0],
        "RDX (alpha)": [3410.0, 5192.0], "PETN": [495.0, 890.0],
        "TNT (monoclinic)": [837.0, 842.0, 848.0, 859.0, 868.0, 891.0],
        "cocaine hydrochloride": [806.0, 961.0], "cocaine base": [3717.6, 3816.8],
        "heroin base": [3950.0, 4024.4],
    }
    assert "methamphetamine hydrochloride" in line_table().not_covered
    assert {s.name for s in line_table().substances(Role.CALIBRANT)} == {"sodium nitrite", "hexamethylenetetramine"}


@pytest.mark.parametrize(("old", "new", "rule"), [
    ('t1_status = "from-memory"', 't1_status = "rumour"', "Invalid enum value 'rumour'"),
    ('status = "published"', 'status = "hearsay"', "Invalid enum value 'hearsay'"),
    ("frequency_khz = 73.0", "frequency_khz = 76.0", "nu\\+ - nu- - nu0 = -3.000 kHz"),
    ("passes = true", "passes = false", "marked passes = false"),
    ("t1_s = 16.0\n", "", "must be 'unknown'"),
    ("u_khz = 0.5", "u_mhz = 0.5", "unknown field `u_mhz`"),
    ("schema = 1", "schema = 2", "must be 1"),
    ('site = "ring 3"\ndifference', 'site = "ring 4"\ndifference', "needs one"),
])
def test_a_line_table_that_contradicts_itself_is_refused(old: str, new: str, rule: str) -> None:
    """A wrong word, a broken sum rule or a value without a status never reaches a verdict."""
    assert old in TEXT
    with pytest.raises(LineTableRefused, match=rule):
        parse(TEXT.replace(old, new, 1).encode())


def test_whatever_nobody_measured_is_marked_as_assumption() -> None:
    """No prior passes for a finding: each unknown figure comes back as a prior, each known one unchanged."""
    for line in line_table().lines:
        known = properties(line)
        for name, given in (("slope_hz_per_k", line.slope_hz_per_k), ("t1_s", line.t1_s),
                            ("t2e_s", line.t2e_s), ("t2star_us", line.t2star_us)):
            figure = getattr(known, name)
            assert figure == given or (given is None and figure.status is Status.PRIOR)
            assert figure.is_assumption == (name in known.assumptions)
        assert (line.u_khz is None) <= ("u_khz" in known.assumptions)


def test_rdx_rests_on_a_prior_only_in_its_slopes() -> None:
    """The table's own priors are told apart from its recalled and computed figures."""
    for line in next(s for s in covered() if s.name == "RDX (alpha)").lines:
        assert properties(line).assumptions == ("slope_hz_per_k",)


# Compound, line in kHz, moment of 1 kg, and its field in fT at 0.15, 0.20, 0.30 and 1.0 m: published check values.
SIGNAL_SIZES = [
    ("ammonium nitrate", 423.0, 1.5e-10, (8.9, 3.7, 1.1, 0.030)),
    ("PETN", 890.0, 3.2e-10, (18.9, 8.0, 2.4, 0.064)),
    ("TNT (monoclinic)", 842.0, 5.3e-11, (3.1, 1.3, 0.39, 0.011)),
    ("RDX (alpha)", 3410.0, 4.4e-10, (26, 10.9, 3.2, 0.087)),
    ("RDX (alpha)", 5192.0, 6.6e-10, (39, 16.6, 4.9, 0.13)),
    ("cocaine hydrochloride", 961.0, 8.0e-11, (4.8, 2.0, 0.59, 0.016)),
    ("cocaine base", 3817.0, 3.6e-10, (21, 8.9, 2.6, 0.071)),
    ("heroin base", 4024.0, 3.1e-10, (18, 7.7, 2.3, 0.062)),
    ("sodium nitrite", 1036.0, 4.3e-10, (25, 10.6, 3.2, 0.085)),
    ("sodium nitrite", 3600.0, 1.5e-9, (88, 37, 11, 0.30)),
    ("sodium nitrite", 4640.0, 1.9e-9, (113, 48, 14, 0.38)),
]


@pytest.mark.parametrize(("compound", "khz", "moment", "fields"), SIGNAL_SIZES)
def test_a_kilogram_has_the_moment_and_field_of_the_check_values(compound: str, khz: float, moment: float,
                                                                 fields: tuple[float, ...]) -> None:
    """Mass becomes field as computed independently, within the rounding of the printed values."""
    found = moment_per_kg(composition_of(compound), khz * 1e3)
    assert found == pytest.approx(moment, rel=0.04)     # printed with two digits
    for distance_m, expected in zip((0.15, 0.2, 0.3, 1.0), fields, strict=True):
        assert axial_field_ft(found, distance_m) == pytest.approx(expected, rel=0.05 if expected < 10 else 0.03)


def test_every_compound_with_a_line_has_a_composition() -> None:
    """No line can be met for which a mass could not be turned into a field."""
    assert {line.compound for line in line_table().lines} == set(COMPOSITIONS)


@pytest.mark.parametrize("dwell_s", [30.0, 60.0, 120.0, 300.0, 600.0])
def test_a_schedule_covers_every_line_and_fits_into_its_dwell(dwell_s: float) -> None:
    """Each covered line lies in exactly one of 14 bands, and all trains together take no longer than asked."""
    plans = schedule(dwell_s)
    held = [line for plan in plans for line in lines_in(plan)]
    assert len(plans) == 14
    assert sorted(line.frequency_khz for line in held) == sorted(
        line.frequency_khz for substance in covered() for line in substance.lines)
    assert 0.95 * dwell_s <= dwell_of(plans) <= dwell_s
    for plan in plans:
        assert 256 / plan.rate_hz < plan.echo_spacing_s <= 256 / plan.rate_hz + 2e-3


def test_bands_repeat_slowly_enough_for_their_spins_to_recover() -> None:
    """At 300 s every band waits at least 1.3 T1 of its slowest line, and no shorter than its own train."""
    for plan in schedule(300.0):
        t1_s = max(properties(line).t1_s.value for line in lines_in(plan))
        assert repetition_s(plan, 300.0) >= max(1.3 * t1_s, train_s(plan))


@pytest.mark.parametrize("dwell_s", [29.9, 601.0, float("nan")])
def test_a_dwell_nobody_can_use_is_refused(dwell_s: float) -> None:
    """The message names the key, the value and the rule."""
    with pytest.raises(ValueError, match=r"dwell_s = .*must be 30 to 600 seconds"):
        schedule(dwell_s)
