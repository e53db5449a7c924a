"""Telnet with COM-port control as a state machine: the words of RFC 2217, cut anywhere, and what servers do wrong."""

from __future__ import annotations

import random

import pytest

from drivers.driver import LineSettings
from drivers.rfc2217 import WORD_BYTES_MAX, Rfc2217

SETTINGS = LineSettings(9600, 7, "E", 2)

# Written from the RFC's tables: IAC WILL/DO option; IAC SB COM-PORT word value IAC SE.
OPENING = "ff fb 00 ff fb 03 ff fb 2c ff fd 00 ff fd 03"
ASKED = ("ff fa 2c 01 00 00 25 80 ff f0 ff fa 2c 02 07 ff f0 ff fa 2c 03 03 ff f0 ff fa 2c 04 02 ff f0 "
         "ff fa 2c 05 01 ff f0 ff fa 2c 0c 01 ff f0")
CONFIRMED = ("ff fa 2c 65 00 00 25 80 ff f0 ff fa 2c 66 07 ff f0 ff fa 2c 67 03 ff f0 ff fa 2c 68 02 ff f0 "
             "ff fa 2c 69 01 ff f0 ff fa 2c 70 01 ff f0")
DO_COM_PORT = "ff fd 2c"


def opened(settings: LineSettings = SETTINGS) -> Rfc2217:
    """Return a connection whose server has agreed to everything."""
    telnet = Rfc2217(settings)
    telnet.opening()
    telnet.feed(bytes.fromhex(DO_COM_PORT))
    telnet.replies()
    telnet.feed(bytes.fromhex(CONFIRMED))
    return telnet


def test_the_words_are_those_of_the_rfc() -> None:
    """What goes out is, byte for byte, what the tables of RFC 854 and RFC 2217 say."""
    telnet = Rfc2217(SETTINGS)
    assert telnet.opening() == bytes.fromhex(OPENING)
    assert telnet.feed(bytes.fromhex(DO_COM_PORT)) == b""
    assert telnet.replies() == bytes.fromhex(ASKED)
    assert not telnet.ready
    telnet.feed(bytes.fromhex(CONFIRMED))
    assert (telnet.ready, telnet.refused, telnet.replies()) == (True, "", b"")


def test_nothing_of_the_line_passes_before_its_settings_are_confirmed() -> None:
    """A banner, and bytes that came at other settings, are no data."""
    telnet = Rfc2217(SETTINGS)
    assert telnet.feed(b"welcome\r\n" + bytes.fromhex(DO_COM_PORT) + b"old") == b""
    assert telnet.feed(bytes.fromhex(CONFIRMED) + b"\x01\xff\xff\x02") == b"\x01\xff\x02"


def test_every_cut_gives_the_same_bytes_and_the_same_replies() -> None:
    """Cut anywhere, also inside a word and between doubled IACs."""
    stream = bytes.fromhex(DO_COM_PORT + CONFIRMED) + b"a\xff\xffb" + bytes.fromhex("fffa2c6b10fff0") + b"c\xff\xff"
    for cut in range(len(stream) + 1):
        telnet = Rfc2217(SETTINGS)
        assert telnet.feed(stream[:cut]) + telnet.feed(stream[cut:]) == b"a\xffbc\xff"
        assert telnet.replies() == bytes.fromhex(ASKED)
    telnet = Rfc2217(SETTINGS)
    assert b"".join(telnet.feed(stream[at:at + 1]) for at in range(len(stream))) == b"a\xffbc\xff"


def test_what_is_sent_survives_telnet() -> None:
    """Escaping and reading are each other's inverse for every byte."""
    telnet = opened()
    every = bytes(range(256)) + b"\xff\xff\xff"
    assert telnet.feed(telnet.escape(every)) == every


@pytest.mark.parametrize(("answer", "words"), [
    ("ff fa 2c 65 00 01 c2 00 ff f0", "it set baud to 115200 instead of 9600"),
    ("ff fa 2c 66 08 ff f0", "it set bits to 8 instead of 7"),
    ("ff fa 2c 67 01 ff f0", "it set parity to 1 instead of 3"),
    ("ff fe 2c", "name it socket://"),
])
def test_a_server_that_does_not_set_the_line_as_asked_is_refused(answer: str, words: str) -> None:
    """Wrong settings would be garbage for ever; the refusal says what to do or what was set."""
    telnet = Rfc2217(SETTINGS)
    telnet.feed(bytes.fromhex((DO_COM_PORT if "fe" not in answer else "") + answer))
    assert words in telnet.refused
    assert not telnet.ready


def test_a_baud_rate_confirmed_with_four_zeros_behind_it_is_confirmed() -> None:
    """Sredird does so."""
    telnet = Rfc2217(LineSettings(9600))
    rest = "fffa2c6608fff0 fffa2c6701fff0 fffa2c6801fff0"
    telnet.feed(bytes.fromhex(f"{DO_COM_PORT} fffa2c65 00002580 00000000 fff0 {rest}"))
    assert telnet.ready


def test_an_option_is_answered_once_and_others_are_declined() -> None:
    """Two sides that answer each other's answers would talk for ever."""
    telnet = opened()
    telnet.feed(bytes.fromhex("ff fb 01 ff fb 00 ff fd 18 ff fb 01 ff fd 18 ff fb 2c"))
    assert telnet.replies() == bytes.fromhex("ff fe 01 ff fc 18")


def test_a_server_s_full_buffer_suspends_and_resumes() -> None:
    """FLOWCONTROL-SUSPEND and -RESUME, section 3."""
    telnet = opened()
    telnet.feed(bytes.fromhex("ff fa 2c 6c ff f0"))
    assert telnet.suspended
    telnet.feed(bytes.fromhex("ff fa 2c 6d ff f0"))
    assert not telnet.suspended


def test_a_line_set_anew_is_ready_only_when_that_is_confirmed() -> None:
    """What comes between was received at neither setting for sure."""
    telnet = opened()
    assert telnet.retune(LineSettings(19_200)).startswith(bytes.fromhex("fffa2c0100004b00fff0"))
    assert telnet.feed(b"half and half") == b""
    telnet.feed(bytes.fromhex("fffa2c6500004b00fff0 fffa2c6608fff0 fffa2c6701fff0 fffa2c6801fff0"))
    assert telnet.feed(b"new") == b"new"


def test_a_baud_rate_with_an_iac_in_it_is_escaped() -> None:
    """65535 baud would end the word otherwise."""
    telnet = Rfc2217(LineSettings(65_535))
    telnet.feed(bytes.fromhex(DO_COM_PORT))
    assert bytes.fromhex("fffa2c010000fffffffffff0") in telnet.replies()


def test_noise_never_raises_and_never_grows() -> None:
    """A peer that speaks anything else is bounded and, sooner or later, refused or silent."""
    chance = random.Random(7)
    telnet = Rfc2217(SETTINGS)
    for _ in range(2000):
        telnet.feed(chance.choice((chance.randbytes(50), b"\xff\xfa\x2c", b"\xff" * 3, b"\xff\xfd")))
        assert len(telnet._part) <= WORD_BYTES_MAX
        assert len(telnet.replies()) < 4096
