"""The emulated physics held against formulae written down here: line places, dipole, noise, hazards, and its priors."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from math import inf, pi, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.signal import csd, welch

import calibration
from calibration import priors
from calibration.head_gain import NOMINAL_COUNTS_PER_FT
from calibration.lines import Figure, line_table
from calibration.schedule import schedule
from drivers.nqr_profile import header
from drivers.sample import BandPlan
from gateway.detection.inspectability import obstacles
from gateway.detection.policy import Policy
from hil.bench.second_scene import Parcel, Surroundings, coil_ft, ringing_ft, signal_ft
from hil.instruments.felt import FeltBand
from hil.instruments.nqr_page import page_of
from hil.scene.assumptions import PRIORS
from hil.scene.bay import CHANNELS, POSITIONS_M, Bay, Station, Tier
from hil.scene.converter import clipped_gain
from hil.scene.echo import axis_coupling
from hil.scene.interference import ringdown_field
from hil.scene.lane import dipole_nt
from hil.scene.load import Content, Load
from hil.scene.scan import BandField, line_field, ringing_field, scan
from hil.scene.sources import sources
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET = Bay(edge_hz=inf, city=0.0, coupling_spread=0.0, gain_error=0.0, phase_error_rad=0.0, pilot_ft=0.0,
            full_scale_ft=inf)
PLAN = BandPlan(900_000.0, 20_000.0, 0.014, 1, 1)
TABLE = tomllib.loads((Path(calibration.__file__).parent / "nqr_lines.toml").read_text())

# Compound and site: spin, Q in kHz, eta, and how far the table's frequency may lie from theirs, kHz: the rounding of Q
# and eta as printed, or for sodium nitrite the spread of the values that are recalled.
QUADRUPOLE = {
    ("urea", "NH2"): (1.0, 3507.5, 0.322, 0.9), ("urea-d4", "ND2"): (1.0, 3548.74, 0.31571, 0.6),
    ("heroin base", "N"): (1.0, 5316.3, 0.028, 0.1), ("cocaine base", "N"): (1.0, 5022.9, 0.0395, 0.1),
    ("cocaine hydrochloride", "N"): (1.0, 1178.0, 0.263, 0.7), ("cocaine hydrochloride", "Cl"): (1.5, 5027.0, 0.2, 5.0),
    ("RDX (alpha)", "ring 1"): (1.0, 5799.0, 0.6146, 0.7), ("RDX (alpha)", "ring 2"): (1.0, 5735.0, 0.6215, 0.7),
    ("RDX (alpha)", "ring 3"): (1.0, 5604.0, 0.6024, 0.7), ("sodium nitrite", "N"): (1.0, 5492.9, 0.380, 8.0),
    ("glycine (alpha)", "NH3+"): (1.0, 1180.0, 0.53, 5.0),
}


def one_band(plan: BandPlan, bay: Bay, load: Load, seed: int = 1) -> BandField:
    """Return a scan's only band."""
    return scan((plan,), bay, load, np.random.default_rng(seed), 300.0).bands[0]


def emitted_khz(compound: str, near_khz: float) -> float:
    """Return where a ton of a substance really shines: the peak of its spectrum in a band around a place."""
    plan = BandPlan(near_khz * 1e3 + 1_700.0, 40_000.0, 0.014, 1, 1)
    load = Load((Content(compound, 1e6),), standoff_m=0.15, temperature_k=297.5)
    spectrum = np.abs(np.fft.fft(one_band(plan, replace(QUIET, tier=Tier.A), load).field_ft[1, 0], 1 << 15))
    return float(plan.carrier_hz + np.fft.fftfreq(1 << 15, 1 / plan.rate_hz)[spectrum.argmax()]) / 1e3


def quadrupole_khz(spin: float, q_khz: float, eta: float) -> dict[str, float]:
    """Return the lines of a nucleus: spin 1 has three, spin 3/2 one."""
    if spin == 1.5:
        return {"nu": q_khz / 2 * sqrt(1 + eta**2 / 3)}
    return {"nu+": 0.75 * q_khz * (1 + eta / 3), "nu-": 0.75 * q_khz * (1 - eta / 3), "nu0": q_khz * eta / 2}


@pytest.mark.parametrize(("compound", "site"), QUADRUPOLE, ids=[" ".join(key) for key in QUADRUPOLE])
def test_lines_shine_where_coupling_constant_and_asymmetry_put_them(compound: str, site: str) -> None:
    """The spectrum of a strong load peaks where Q and eta say, for every line of the site, within their rounding."""
    spin, q_khz, eta, allowed_khz = QUADRUPOLE[compound, site]
    rows = [line for line in line_table().lines if (line.compound, line.site) == (compound, site)]
    expected = quadrupole_khz(spin, q_khz, eta)
    assert rows
    for line in rows:
        assert line.nucleus == ("14N" if spin == 1.0 else "35Cl")
        assert emitted_khz(compound, line.frequency_khz) == pytest.approx(expected[line.transition], abs=allowed_khz)


def test_no_row_that_gives_a_coupling_constant_goes_unchecked() -> None:
    """Whatever the table derives from Q and eta stands in the list above."""
    derived = {(row["compound"], row["site"]) for row in TABLE["line"]
               if re.search(r"Q (and eta|[\d.]+)", row.get("source", "") + row.get("note", ""))}
    assert derived <= set(QUADRUPOLE)
    assert len(QUADRUPOLE) - len(derived) == 1      # urea: its Q and eta were computed from its lines


@pytest.mark.parametrize("rule", TABLE["sum_rule"], ids=lambda rule: f"{rule['compound']} {rule['site']}")
def test_the_upper_line_less_the_middle_one_is_the_lowest(rule: dict[str, Any]) -> None:
    """nu+ - nu- = nu0 in what the scene emits, for every site with three lines, within the stated tolerance."""
    of_site = {line.transition: line.frequency_khz for line in line_table().lines
               if (line.compound, line.site) == (rule["compound"], rule["site"])}
    found = {name: emitted_khz(rule["compound"], khz) for name, khz in of_site.items()}
    assert found["nu+"] - found["nu-"] == pytest.approx(found["nu0"], abs=rule["tolerance_khz"] + 0.05)


def loop_field(moment: NDArray[np.float64], at_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the field in tesla at places [n, 3] of a wire loop of 0.5 mm radius with this moment: Biot and Savart."""
    radius_m, steps = 5e-4, 720
    normal = moment / np.linalg.norm(moment)
    first = np.linalg.svd(normal[None, :])[2][1]
    second = np.cross(normal, first)
    angle = (np.arange(steps) + 0.5) * 2 * pi / steps
    wire = radius_m * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    step = radius_m * 2 * pi / steps * (np.cos(angle)[:, None] * second - np.sin(angle)[:, None] * first)
    current_a = np.linalg.norm(moment) / (pi * radius_m**2)
    path = at_m[:, None, :] - wire[None, :, :]
    rings = np.cross(step[None], path) / np.linalg.norm(path, axis=2)[..., None] ** 3
    return np.asarray(1e-7 * current_a * rings.sum(axis=1))


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.15), (0.03, -0.02, 0.1), (-0.05, 0.04, 0.4)])
def test_the_head_sees_a_load_as_it_would_see_a_small_loop(place: tuple[float, float, float]) -> None:
    """What each of the eight sensors feels of an axial moment is the field of a current loop, by Biot and Savart."""
    loop = loop_field(np.array([0.0, 0.0, 1.0]), POSITIONS_M - np.array(place))[:, 2]
    ours = axis_coupling(np.array(place), POSITIONS_M) * 2e-7
    assert ours == pytest.approx(loop, rel=1e-3, abs=1e-3 * float(np.abs(loop[6:]).min()))


def test_a_passing_dipole_has_the_field_of_a_small_loop() -> None:
    """The lane's dipole, any direction at any place, is that loop too."""
    rng = np.random.default_rng(5)
    moment, places = rng.normal(size=3), rng.normal(size=(20, 3))
    assert dipole_nt(moment, places) == pytest.approx(loop_field(moment, places) * 1e9, rel=2e-3, abs=0.05)


@pytest.mark.parametrize("tier", [Tier.A, Tier.B, Tier.C])
@pytest.mark.parametrize("edge_hz", [inf, 20_000.0, 5_000.0])
def test_sensor_noise_measured_back_has_its_density_across_the_band(tier: Tier, edge_hz: float) -> None:
    """Welch's estimate is within 5 % of S sqrt(1 + (f / edge)^2) everywhere but at the band's very edge."""
    rows = np.concatenate([one_band(PLAN, replace(QUIET, tier=tier, edge_hz=edge_hz), Load(), seed).field_ft
                           for seed in range(40)])
    offset_hz, power = welch(rows, PLAN.rate_hz, nperseg=128, return_onesided=False, detrend=False, axis=-1)
    law_ft = tier.value * np.sqrt(1.0 + (offset_hz / edge_hz) ** 2)
    found_ft = np.sqrt(power.mean(axis=(0, 1)) / 2.0)     # of the field itself: half the baseband's power
    inside = np.abs(offset_hz) < 0.45 * PLAN.rate_hz      # beyond, the window mixes both edges
    ratio = (found_ft / law_ft)[inside]
    assert np.all(np.abs(ratio - 1.0) < 0.05), (ratio.min(), ratio.max())


@pytest.mark.parametrize("carrier_hz", [423e3, 961e3, 5192e3])
def test_city_noise_measured_back_is_that_of_the_radio_union(carrier_hz: float) -> None:
    """What all channels have in common is the city curve of ITU-R P.372, within 5 %: its share, and half its share."""
    mhz = carrier_hz / 1e6
    noise_factor = 10 ** ((76.8 - 27.7 * np.log10(mhz)) / 10)
    boltzmann, kelvin, light = 1.380649e-23, 290.0, 299_792_458.0
    # A short monopole of length h: voltage E h / 2, resistance 40 pi^2 (h / wavelength)^2, matched: k T0 fa.
    field_v_m = sqrt(640 * pi**2 * boltzmann * kelvin * noise_factor) * carrier_hz / light
    for share in (1.0, 0.5):
        bay = replace(QUIET, tier=Tier.A, city=share)
        plan = replace(PLAN, carrier_hz=carrier_hz)
        rows = np.stack([one_band(plan, bay, Load(), seed).field_ft for seed in range(60)])
        _, common = csd(rows[:, 0], rows[:, 6], PLAN.rate_hz, nperseg=64, return_onesided=False, detrend=False)
        found_ft = sqrt(float(common.real.mean()) / 2.0)
        assert found_ft == pytest.approx(share * field_v_m / light * 1e15, rel=0.05)


def test_a_load_that_is_warmer_at_one_end_has_wider_lines_and_no_more_signal() -> None:
    """4 K across RDX make its 3410 kHz line a kilohertz wide; the field at the echo's middle stays what it was."""
    plan = next(p for p in schedule(300.0) if p.carrier_hz == 3_410_000.0)
    load = Load((Content("RDX (alpha)", 1.0),), standoff_m=0.2, temperature_k=297.5)
    alike, graded = (line_field(plan, sources(replace(load, temperature_spread_k=k), 295.0), 300.0)[1, 0]
                     for k in (0.0, 4.0))
    widths = []
    for field in (alike, graded):
        power = np.abs(np.fft.fft(field, 1 << 14)) ** 2
        widths.append(np.sum(power > power.max() / 2) * plan.rate_hz / (1 << 14))
    assert widths[0] < 400.0
    assert widths[1] == pytest.approx(1000.0, abs=150.0)
    assert np.abs(graded).max() == pytest.approx(np.abs(alike).max(), rel=0.01)
    assert np.sum(np.abs(graded) ** 2) < 0.6 * np.sum(np.abs(alike) ** 2)


def test_both_generators_agree_on_gradient_width_alternation_and_ring_down() -> None:
    """What the first sums over the parts of a load is the second's transform of their frequencies, within 2 %."""
    load = Load((Content("RDX (alpha)", 1.0),), standoff_m=0.2, temperature_k=299.0, temperature_spread_k=3.0,
                width_factor=1.5, ringing_ft=100.0, ringing_alternates=0.3)
    parcel = Parcel({"RDX (alpha)": 1.0}, (0.0, 0.0, 0.2), 299.0, 0.0, 100.0, 2e-3, 0.3, 3.0, 1.5)
    bay, around = Bay(ringdown_ft=1e6), Surroundings(1.0, inf, 0.0, 0.0, 0.0, 0.0, coil_ft=1e6)
    for plan in schedule(300.0):
        for first, second in ((line_field(plan, sources(load, 295.0), 300.0), signal_ft(plan, parcel, 300.0)),
                              (ringing_field(plan, load), ringing_ft(plan, parcel)),
                              (ringdown_field(plan, bay), coil_ft(plan, around))):
            assert np.abs(first - second).max() <= 0.02 * np.abs(first).max()


def test_alternating_ringing_cancels_in_pairs_of_echoes_and_alternates_where_there_are_none() -> None:
    """Groups of two echoes or more lose it; with one echo in a group it changes its sign from group to group."""
    rung = Load(standoff_m=0.2, ringing_ft=50.0, ringing_alternates=1.0)
    single = ringing_field(PLAN, rung)[0, :, 0]
    assert single[1:] == pytest.approx(-single[:-1])
    assert np.abs(ringing_field(replace(PLAN, echoes_per_group=2), rung)).max() < 1e-12 * np.abs(single).max()


def test_the_coil_rings_into_the_window_only_if_it_rings_long() -> None:
    """With the default decay a ten-millionth is left after two guard times; the references feel a hundredth."""
    short, long = (np.abs(ringdown_field(PLAN, Bay(ringdown_ft=1e6, ringdown_s=s))) for s in (60e-6, 400e-6))
    assert short[0, 0, 0] == pytest.approx(1e6 * np.exp(-(0.007 - 127.5 / 20e3) / 60e-6))
    assert long[0, 0, 0] > 1e4 * short[0, 0, 10]
    assert long[6] == pytest.approx(long[0] / 100.0)


def test_a_converter_beyond_its_scale_loses_gain_and_says_so() -> None:
    """Twice full scale leaves a third of a small signal; the header names the channels, and nothing is clear."""
    assert clipped_gain(np.array([0.5, 1.0, 2.0]), 1.0) == pytest.approx([1.0, 1.0, 1.0 / 3.0])
    bay = replace(QUIET, pilot_ft=50.0, full_scale_ft=1e5, stations=(Station(902.0, 1.25e5, depth=0.6),))
    felt = scan((PLAN,), bay, Load(standoff_m=0.2), np.random.default_rng(1), 300.0)
    band = felt.bands[0]
    quiet = one_band(PLAN, replace(bay, full_scale_ft=inf), Load(standoff_m=0.2))
    assert band.clipped == tuple(range(CHANNELS))
    assert quiet.clipped == ()
    assert np.abs(band.field_ft).max() == pytest.approx(np.abs(quiet.field_ft).max() / 3.0, rel=0.01)
    page = page_of((0, 7, 29_500, 200), PLAN, FeltBand(band.field_ft, 0.0, 50.0, 400.0, 8.0, (2, 5)),
                   np.full(8, NOMINAL_COUNTS_PER_FT, np.complex64))
    assert page.header[-4:-2] == (1 << 2 | 1 << 5).to_bytes(2, "big")
    registers = np.frombuffer(page.header + page.crc.to_bytes(4, "big") + bytes(4), ">u2")
    assert header([int(register) for register in registers]).clipped == 0x24
    said = obstacles(calibrated(felt), (), {}, Policy())
    assert "the head reports: band 0: channel 0 clipped" in said


def test_dead_channels_deliver_nothing() -> None:
    """A dead channel is silent in every band, its pilot included."""
    field = one_band(PLAN, replace(QUIET, pilot_ft=50.0, dead=(1, 6)), Load()).field_ft
    assert not field[[1, 6]].any()
    assert np.abs(field[[0, 2, 3, 4, 5, 7]]).min(axis=(1, 2)).min() > 0.0


def test_every_prior_of_the_reference_figures_is_named_as_one() -> None:
    """Each figure that the line table marks as a prior, or that stands in where it is silent, is in the list."""
    named = {row.name for row in PRIORS if row.mark == "pri"}
    keys = {"dnu_dt_status": "slope_hz_per_k", "t1_status": "t1_s", "t2e_status": "t2e_s", "t2star_status": "t2star_us"}
    walked = 0
    for row in TABLE["line"]:
        for status, figure in keys.items():
            if row.get(status, "unknown") in {"prior", "unknown"}:     # what is unknown is filled in by a prior
                walked += 1
                assert f"{row['compound']} {row['frequency_khz']:g} kHz, {figure}" in named
    assert walked > 100
    for name, value in vars(priors).items():
        if name.isupper() and isinstance(value, Figure | float):
            assert f"priors.{name}" in named
    topics = ("Bay.tier", "Bay.above_2mhz", "point source", "station phase", "shield", "moment of spin 3/2",
              "Bay.ringdown_s", "Bay.full_scale_ft", "vehicle", "passing speed")
    assert set(topics) <= named
