"""The line file exactly as it is written: its tables, keys and words. Unknown keys and words are refused here."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

SCHEMA = 1
UNKNOWN: Literal["unknown"] = "unknown"

StatusWord: TypeAlias = Literal["published", "from-memory", "computed", "prior"]
FigureWord: TypeAlias = StatusWord | Literal["unknown"]
RoleWord: TypeAlias = Literal["target", "calibrant", "confuser"]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[line]]` as written."""

    compound: str
    nucleus: str
    site: str
    transition: str
    frequency_khz: float
    status: StatusWord
    confidence: str
    role: RoleWord
    recommended: bool
    dnu_dt_status: FigureWord
    t1_status: FigureWord
    t2e_status: FigureWord
    t2star_status: FigureWord
    source: str
    u_khz: float | None = None
    dnu_dt_hz_per_k: float | None = None
    dnu_dt_half_range_hz_per_k: float | None = None
    t1_s: float | None = None
    t2e_s: float | None = None
    t2star_us: float | None = None
    u_t2star_us: float | None = None
    note: str = ""


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[band]]` as written."""

    compound: str
    nucleus: str
    transition: str
    low_khz: float
    high_khz: float
    status: StatusWord
    confidence: str
    role: RoleWord
    source: str


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[sum_rule]]` as written."""

    compound: str
    site: str
    difference_khz: float
    nu0_khz: float
    residual_khz: float
    tolerance_khz: float
    kind: str
    passes: bool
    note: str = ""


class NotCovered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[not_covered]` table as written."""

    substances: tuple[str, ...]
    no_quadrupolar_nitrogen: tuple[str, ...]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file as written."""

    schema: int
    reference_temperature_k: float
    line: tuple[Row, ...]
    band: tuple[Band, ...]
    not_covered: NotCovered
    sum_rule: tuple[Rule, ...]
