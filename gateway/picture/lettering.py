"""Letters as strokes on a grid 4 wide and 6 high, for a raster that draws lines. Pure data, drawn for this project.

Rule: a character that is not here is shown as a box, never left out.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

Stroke: TypeAlias = tuple[tuple[float, float], ...]

# Strokes stand between spaces; a point is two digits: across, 0 to 4, and down, 0 (top) to 6 (base line) or 8.
GLYPHS: Final = {
    "A": "062046 1434", "B": "003041423303 334445360600", "C": "4130100105163645", "D": "00204244260600",
    "E": "40000646 0333", "F": "400006 0333", "G": "41301001051636454323", "H": "0006 4046 0343",
    "I": "1030 2026 1636", "J": "4045361605", "K": "0006 4004 1346", "L": "000646", "M": "0600234046",
    "N": "06004640", "O": "100105163645413010", "P": "06003041423303", "Q": "100105163645413010 2446",
    "R": "06003041423303 2346", "S": "413010010213334445361605", "T": "0040 2026", "U": "000516364540",
    "V": "002640", "W": "0016233640", "X": "0046 4006", "Y": "002340 2326", "Z": "00400646",
    "a": "12324346 441405163645", "b": "0006 0312324345361605", "c": "4332120305163645",
    "d": "4046 4332120305163645", "e": "04444332120305163645", "f": "302126 1232",
    "g": "4332120305163645 4247381807", "h": "0006 0312324346", "i": "2226 2020", "j": "32372818 3030",
    "k": "0006 4205 2446", "l": "202536", "m": "0206 03122326 23324346", "n": "0206 0312324346",
    "o": "120305163645433212", "p": "0208 0312324345361605", "q": "4248 4332120305163645", "r": "0206 03123243",
    "s": "43321203143445361605", "t": "212536 1232", "u": "0205163645 4246", "v": "022642", "w": "0216243642",
    "x": "0246 4206", "y": "0226 4218", "z": "02420646",
    "0": "100105163645413010", "1": "112026 1636", "2": "01103041420646", "3": "01103041423313 334445361605",
    "4": "36300444", "5": "400002324345361605", "6": "413010010516364544331304", "7": "004016",
    "8": "130201103041423313 3344453616050413", "9": "423313020110304145361605",
    ".": "2626", ",": "2617", ":": "2323 2626", ";": "2323 2617", "-": "1333", "+": "0343 2125", "=": "0242 0444",
    "(": "30222436", ")": "10222416", "/": "0640", "%": "0640 0101 4545", "'": "2021", "<": "410345", ">": "014305",
    "±": "0242 2024 0646", "_": "0747", "|": "2026", "!": "2024 2626", "?": "01103041422324 2626",
    "[": "30202636", "]": "10202616", "*": "2125 0244 4204", " ": "",
}
GLYPHS_BOX: Final = "0040460600"
HIGH: Final = 6.0
GAP: Final = 1.7     # between two characters


@cache
def strokes_of(character: str) -> tuple[tuple[Stroke, ...], float]:
    """Return a character's strokes, moved to the left edge, and its width, in units of the grid."""
    words = GLYPHS.get(character, GLYPHS_BOX).split()
    strokes = tuple(tuple((float(word[at]), float(word[at + 1])) for at in range(0, len(word), 2)) for word in words)
    across = [x for stroke in strokes for x, _ in stroke]
    left = min(across, default=0.0)
    moved = tuple(tuple((x - left, y) for x, y in stroke) for stroke in strokes)
    return moved, max(across, default=1.0) - left


def width_of(text: str) -> float:
    """Return how wide a text is, in units of the grid."""
    return sum(strokes_of(one)[1] + GAP for one in text) - GAP if text else 0.0


def laid(text: str) -> tuple[Stroke, ...]:
    """Return all strokes of a text, its left edge at 0, its capitals from 0 to 6."""
    found: list[Stroke] = []
    at = 0.0
    for character in text:
        strokes, wide = strokes_of(character)
        found += [tuple((x + at, y) for x, y in stroke) for stroke in strokes]
        at += wide + GAP
    return tuple(found)
