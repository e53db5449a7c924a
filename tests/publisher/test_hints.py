"""Properties as bytes, beside paho's own packing of the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.publisher.hints import PackedHints
from gateway.publisher.message import Message

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=200)


@given(WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=8))
def test_hints_are_packed_as_paho_packs_them(content_type: str, pairs: list[tuple[str, str]]) -> None:
    """Whatever content type and user properties a message has, its bytes are those of the client library."""
    theirs = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho left it without types
    theirs.ContentType = content_type
    if pairs:
        theirs.UserProperty = pairs
    ours = PackedHints(Message("t", b"", content_type, properties=tuple(pairs)))
    assert ours.pack() == theirs.pack()  # type: ignore[no-untyped-call]  # the same
