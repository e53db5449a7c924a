"""Speak telnet with COM-port control (RFC 2217) to a serial server. No I/O and no clock in this file.

Rule: no byte of the line passes before the server has confirmed the line settings that were asked for.

Source: RFC 854 (commands, doubled IAC), RFC 856 (binary), RFC 858 (go-ahead), RFC 2217 sections 2 to 4. Servers differ:
ser2net never offers COM-PORT for its own side, sredird appends four zeros to the baud rate it confirms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.driver import LineSettings

SE, SB, WILL, WONT, DO, DONT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, GO_AHEAD, COM_PORT = 0, 3, 44

SET_BAUD, SET_BITS, SET_PARITY, SET_STOP, SET_CONTROL, PURGE = 1, 2, 3, 4, 5, 12
FROM_SERVER = 100               # the server's words are the client's, plus this
SUSPEND, RESUME = 8, 9
NO_FLOW_CONTROL = b"\x01"
RECEIVED = b"\x01"              # the buffer to purge
PARITIES = {"N": 1, "O": 2, "E": 3}
STOP_BITS = {1: 1, 2: 2}
NAMES = {SET_BAUD: "baud", SET_BITS: "bits", SET_PARITY: "parity", SET_STOP: "stop bits"}

# Ours to switch on (DO means yes), and theirs (WILL means yes).
OURS = (BINARY, GO_AHEAD, COM_PORT)
THEIRS = (BINARY, GO_AHEAD)

# The longest word of the server is its signature, a line of text; what is longer is no word of RFC 2217.
WORD_BYTES_MAX = 256


class Rfc2217:
    """One connection. `opening` goes out first; then feed what comes, and send what `replies` gives.

    `ready` becomes true when the line is set as wanted, `refused` says why it never will be.
    """

    def __init__(self, settings: LineSettings) -> None:
        self._waiting: dict[int, bytes] = {}
        self.refused = ""
        self.suspended = False          # the server's buffer is full
        self._agreed = False            # it does COM-port control
        self._answered: set[tuple[int, int]] = set()
        self._replies = b""
        self._part = b""                # a telnet command whose end has not come yet
        self._want(settings)

    def opening(self) -> bytes:
        """Return what is sent at once."""
        return b"".join(
            [bytes((IAC, WILL, option)) for option in OURS] + [bytes((IAC, DO, option)) for option in THEIRS])

    @property
    def ready(self) -> bool:
        """Tell whether the line is set as it was asked for."""
        return self._agreed and not self._waiting and not self.refused

    def retune(self, settings: LineSettings) -> bytes:
        """Return the words that set the line anew; `ready` is false until they are confirmed."""
        self._want(settings)
        return self._settings_words()

    def replies(self) -> bytes:
        """Return what must be sent now, once."""
        replies, self._replies = self._replies, b""
        return replies

    def escape(self, data: bytes) -> bytes:
        """Return the bytes that carry `data` through telnet."""
        return data.replace(bytes((IAC,)), bytes((IAC, IAC)))

    def feed(self, chunk: bytes) -> bytes:
        """Return the line's own bytes in `chunk`; what came at other settings than wanted is left out."""
        data = bytearray()
        rest = self._part + chunk
        while rest:
            plain, mark, after = rest.partition(b"\xff")
            if self.ready:
                data += plain
            rest = mark + after
            if not mark:
                break
            used = self._command(rest, data)
            if not used:
                break
            rest = rest[used:]
        self._part = rest
        return bytes(data)

    def _want(self, settings: LineSettings) -> None:
        self._waiting = {
            SET_BAUD: settings.baud.to_bytes(4, "big"), SET_BITS: bytes((settings.bits,)),
            SET_PARITY: bytes((PARITIES[settings.parity],)), SET_STOP: bytes((STOP_BITS[settings.stop_bits],)),
        }

    def _settings_words(self) -> bytes:
        words = [*self._waiting.items(), (SET_CONTROL, NO_FLOW_CONTROL), (PURGE, RECEIVED)]
        return b"".join(bytes((IAC, SB, COM_PORT, word)) + self.escape(value) + bytes((IAC, SE))
                        for word, value in words)

    def _command(self, rest: bytes, data: bytearray) -> int:
        """Take the command that `rest` begins with and return its length, 0 while it is not whole."""
        if len(rest) < 2:
            return 0
        if rest[1] == IAC:
            if self.ready:
                data.append(IAC)
            return 2
        if rest[1] in {WILL, WONT, DO, DONT}:
            if len(rest) < 3:
                return 0
            self._negotiate(rest[1], rest[2])
            return 3
        return self._subnegotiation(rest) if rest[1] == SB else 2

    def _subnegotiation(self, rest: bytes) -> int:
        at = 2
        while (at := rest.find(bytes((IAC,)), at)) >= 0 and rest[at + 1:at + 2] == b"\xff":
            at += 2
        if at < 0 or at + 1 >= len(rest):
            if len(rest) <= WORD_BYTES_MAX:
                return 0
            self.refused = self.refused or "it does not speak telnet: a word without end"
            return len(rest)
        word = rest[2:at].replace(b"\xff\xff", b"\xff")
        if word[:1] == bytes((COM_PORT,)) and len(word) >= 2:
            self._confirm(word[1] - FROM_SERVER, word[2:])
        return at + 2

    def _negotiate(self, verb: int, option: int) -> None:
        """Answer an offer or a demand, each once: two sides that answer answers never end (RFC 854)."""
        if option == COM_PORT and verb in {DONT, WONT} and not self._agreed:
            if verb == DONT:
                self.refused = "it refuses COM-port control; name it socket://, and set the line on the server"
            return
        # ser2net and pyserial's server say DO; some others only ever say WILL.
        if option == COM_PORT and verb in {DO, WILL} and not self._agreed:
            self._agreed = True
            self._replies += self._settings_words()
        if (verb, option) in self._answered:
            return
        self._answered.add((verb, option))
        if verb == WILL and option not in {*THEIRS, COM_PORT}:
            self._replies += bytes((IAC, DONT, option))
        elif verb == DO and option not in OURS:
            self._replies += bytes((IAC, WONT, option))

    def _confirm(self, word: int, value: bytes) -> None:
        if word in {SUSPEND, RESUME}:
            self.suspended = word == SUSPEND
            return
        wanted = self._waiting.get(word)
        if wanted is None:
            return
        got = value[:len(wanted)]
        if got == wanted:
            del self._waiting[word]
        else:
            said, asked = int.from_bytes(got, "big"), int.from_bytes(wanted, "big")
            self.refused = f"it set {NAMES[word]} to {said} instead of {asked} (figures of RFC 2217)"
