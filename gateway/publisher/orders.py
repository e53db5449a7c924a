"""Orders that come over MQTT: checked and bounded here, then handed to the core as one request. Pure.

Rule: an order is followed once, at the moment it is given, or refused with the reason; none is kept for later.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.claims import NOTHING, Claims
from gateway.control import Answer, Ask, ControlRefused

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER_BYTES_MAX = 4096   # the longest has every claim and a label of 200 characters
WAIT_S_MAX = 2.0         # the core answers within milliseconds; who waited longer speaks of a load that may have gone
REMEMBERED_MAX = 64      # a broker repeats what it saw no acknowledgement for, at once or after a reconnection


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be ordered: to start or stop a scan. `id` is the sender's; a repetition has the same one."""

    id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[ -~]*\Z")]
    order: Literal["start", "stop"]
    head: Annotated[str, Meta(max_length=63)] = ""
    claims: Claims = NOTHING


class Reply(msgspec.Struct, frozen=True):
    """What became of an order. `refused` says why it was not followed; empty: it was."""

    id: str
    scan_id: int | None = None
    refused: str = ""


class OrderDesk:
    """Takes orders and answers each; a repetition is answered again and not followed again."""

    def __init__(self, ask: Callable[[Ask], Answer]) -> None:
        """Orders go to `ask`, which returns the core's answer or raises ControlRefused."""
        self._ask = ask
        self._answered: OrderedDict[str, Reply] = OrderedDict()

    def take(self, payload: bytes, *, retained: bool, waited_s: float = 0.0) -> Reply:
        """Follow one order that has waited behind others for so long, or say why not."""
        if retained:  # it was given to whoever was there then; what lies in the bay now is something else
            return Reply("", refused="an order must not be retained at the broker")
        if len(payload) > ORDER_BYTES_MAX:
            return Reply("", refused=f"an order has at most {ORDER_BYTES_MAX} bytes, this one has {len(payload)}")
        try:
            order = msgspec.json.decode(payload, type=Order)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Reply("", refused=f"not an order: {error}")
        if order.id not in self._answered:
            late = f"it waited {waited_s:.1f} s for the orders before it" if waited_s > WAIT_S_MAX else ""
            self._answered[order.id] = Reply(order.id, refused=late) if late else self._follow(order)
            if len(self._answered) > REMEMBERED_MAX:
                self._answered.popitem(last=False)
        return self._answered[order.id]

    def _follow(self, order: Order) -> Reply:
        try:
            answer = self._ask(Ask(order.order, order.head, order.claims, via=f"MQTT order {order.id}"))
        except ControlRefused as refused:
            return Reply(order.id, refused=str(refused))
        return Reply(order.id, answer.scan_id)
