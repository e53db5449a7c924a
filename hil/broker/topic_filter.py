"""Which topics a filter means. MQTT 5 section 4.7; pure."""

from __future__ import annotations


def valid(text: str) -> bool:
    """Say whether a filter is well formed: + fills a level, # fills the last one."""
    levels = text.split("/")
    plus = all(level == "+" or "+" not in level for level in levels)
    hash_last = not any("#" in level for level in levels[:-1]) and levels[-1].strip("#") in {"", levels[-1]}
    return bool(text) and plus and hash_last and levels[-1].count("#") < 2


def matches(text: str, topic: str) -> bool:
    """Say whether a valid filter takes in a topic; a leading wildcard never takes in $SYS and its like."""
    if topic.startswith("$") and text[:1] in {"+", "#"}:
        return False
    wanted, there = text.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(there) or level not in {"+", there[place]}:
            return False
    return len(wanted) == len(there)
