"""One question at a time: due at a poll, answered or given up, and nothing taken for another's answer."""

from __future__ import annotations

from drivers.question import Inquiry, Question
from drivers.sample import Fault

FIRST, SECOND = Question(b"a", "one", 0.3), Question(b"b", "two", 0.3)
MS = 1_000_000


def test_the_questions_of_a_round_are_asked_one_after_the_other() -> None:
    """The second is asked only when the first is answered, and the next round only at its time."""
    inquiry = Inquiry(poll_s=1.0)
    assert inquiry.due(0)
    inquiry.begin([FIRST, SECOND], 0)
    assert inquiry.ask(0) == b"a"
    assert inquiry.ask(1) == b""
    inquiry.answered()
    assert inquiry.ask(2) == b"b"
    assert not inquiry.due(1000 * MS)
    inquiry.answered()
    assert [inquiry.due(now * MS) for now in (999, 1000)] == [False, True]


def test_a_question_without_an_answer_is_closed_and_the_others_are_still_asked_after_a_quiet_time() -> None:
    """Bytes that come in the quiet time begin it anew, however long that goes on."""
    inquiry = Inquiry(poll_s=1.0, quiet_s=0.1)
    inquiry.begin([FIRST, SECOND], 0)
    inquiry.ask(0)
    assert inquiry.lapsed(300 * MS) is None
    assert inquiry.lapsed(301 * MS) is FIRST
    assert inquiry.lapsed(302 * MS) is None
    assert inquiry.ask(350 * MS) == b""
    inquiry.stray(400 * MS)
    assert inquiry.ask(499 * MS) == b""
    assert inquiry.ask(500 * MS) == b"b"


def test_a_round_that_is_given_up_leaves_its_other_questions_out() -> None:
    """The next round begins at its own time."""
    inquiry = Inquiry(poll_s=1.0)
    inquiry.begin([FIRST, SECOND], 0)
    inquiry.ask(0)
    inquiry.give_up(5)
    assert inquiry.open is None
    assert inquiry.ask(6) == b""
    assert inquiry.due(1000 * MS)


def test_a_line_that_is_opened_anew_is_asked_anew_when_it_has_been_quiet() -> None:
    """The round before is forgotten; its time-table too."""
    inquiry = Inquiry(poll_s=1.0, quiet_s=0.05)
    inquiry.begin([FIRST], 0)
    inquiry.ask(0)
    inquiry.opened(10 * MS)
    assert inquiry.due(10 * MS)
    inquiry.begin([SECOND], 10 * MS)
    assert inquiry.ask(59 * MS) == b""
    assert inquiry.ask(60 * MS) == b"b"


def test_polls_that_a_long_silence_has_swallowed_are_not_caught_up_on() -> None:
    """After ten seconds away comes one round, and the next half a poll later at the soonest."""
    inquiry = Inquiry(poll_s=1.0)
    inquiry.begin([], 0)
    inquiry.begin([], 10_000 * MS)
    assert not inquiry.due(10_499 * MS)
    assert inquiry.due(10_500 * MS)


def test_what_is_told_later_is_told_once_and_does_not_pile_up() -> None:
    """Of a hundred complaints the first and the last eight are kept."""
    inquiry = Inquiry(poll_s=1.0)
    for second in range(100):
        inquiry.tell_later([Fault("no answer", str(second), second)])
    assert [fault.seen_at for fault in inquiry.told_later()] == [*range(8), *range(92, 100)]
    assert inquiry.told_later() == []
