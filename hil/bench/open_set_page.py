"""The open set's figures for a person. It only words them: what is measured stands in open_set.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.bench.open_set import OpenSet, Rejected, Resolved


def open_set_lines(found: OpenSet) -> list[str]:
    """Return both tables, as docs/detection-open-set.md has them."""
    return [
        f"{found.trials} scans of every case, seed {found.seed}; digest of the model's card: {found.model_sha256}",
        "",
        "| load | d | scans | a covered substance | unidentified | a crystal of the table | nothing | not covered |",
        "|---|---|---|---|---|---|---|---|",
        *(_rejected_row(one) for one in found.rejected),
        "",
        "| pair | in the bay | named, and nothing else | not named | another named | unidentified resonance beside |",
        "|---|---|---|---|---|---|",
        *(_resolved_row(one) for one in found.resolved),
    ]


def _rejected_row(one: Rejected) -> str:
    where = f"{one.low:g} to {one.high:g}" if one.high else "-"
    names = ", ".join(f"{count} {name}" for name, count in one.names.items())
    covered = f"{one.covered} ({names})" if names else "0"
    unidentified = f"{one.unidentified} (≤ {one.unidentified_upper95:.3f})"
    return (f"| {one.case} | {where} | {one.trials} | {covered} | {unidentified} | {one.table} | {one.nothing} | "
            f"≥ {one.not_covered_lower95:.3f} |")


def _resolved_row(one: Resolved) -> str:
    pair, right = one.pair.replace(" | ", ", "), f"{one.resolved} of {one.trials}, ≥ {one.lower95:.3f}"
    return f"| {pair} | {one.present} | {right} | {one.missed} | {one.invented} | {one.unidentified} |"
