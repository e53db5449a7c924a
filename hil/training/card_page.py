"""The model card for people, docs/model-card.md, from the card for programs. Every figure in it comes from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.detection.model_card import Card, Measured


def page_of(card: Card) -> str:
    """The whole page."""
    return "\n".join((
        f"# Model card: {card.name}, version {card.version}", "", PURPOSE, "",
        "| | |", "|---|---|", *_identity(card), "",
        "## What it was made from", "", DATA, "", *_training(card), "",
        "## How it decides", "", RULE, "", *_thresholds(card), "",
        "## What was measured", "", MEASURED, "",
        "| what | hits | trials | exact one-sided 95 % bound |", "|---|---|---|---|", *map(_row, card.measured), "",
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


def _thresholds(card: Card) -> list[str]:
    t = card.thresholds
    return ["| threshold | value |", "|---|---|",
            f"| veto_network | {t.veto_network:.4f} |", f"| veto_scene | {t.veto_scene:g} |"]


def _row(row: Measured) -> str:
    return f"| {row.what} | {row.hits} | {row.trials} | {row.bound:.4f} |"


PURPOSE = """The network looks at the same whitened spectra as the likelihood ratio and gives a probability to
each covered substance and to three classes of scene: none, interference, ringing. It never decides alone."""

DATA = """Emulated scans alone (`hil/training/emulated.py`), because no recording of a real 14N signal can be
had: loads at 0.10 to 0.40 m, 253 to 323 K, sensor tiers A, B and C, dwell times of 60, 120 and 300 s, targets
of deflection 3 to 20. Hard negatives: stations on lines and elsewhere (20 fT to 30 pT), ringing (3 fT to 1
pT), confusers, single foreign lines, a calibrant left in the bay, a dead channel, gain and phase errors,
unknown temperature, slopes anywhere in their range. The three sets share no seed. A target's mass follows
from its deflection, so weak and strong ones are seen in each tier.

The weights were trained on scans whitened before the last change to the ringing filter. The decision was
changed since: the network's assistance, which added false alarms in flat noise, and its veto are off. Figures
of the decision are left out until they are measured again."""

RULE = """A substance is named when the false-alarm probability of its likelihood ratio, over all substances,
temperatures, slopes, widths and bins of the scan, is at most the policy's rate, and its lines fit together in
strength. The network names nothing. It vetoes, and the scan then is not inspectable, when it gives the
substance less than `veto_network` and a hazard `veto_scene` or more: the level below which one in a thousand
true alarms of the calibration set fell. Where the calibration does not show that the veto takes a larger
share of false alarms in the making than of true ones, beyond both errors, there is none (`veto_network` 0)."""

MEASURED = """On the test set, and on named scenes with seeds of their own. For rates that should be high the
bound is the lower one, for false alarms and losses the upper one. Deflection d is that of a matched filter
that knows everything, in the sensors' own noise: city noise, interference and a load off the axis only lower
what is left of it."""

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
