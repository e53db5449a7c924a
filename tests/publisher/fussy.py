"""A broker that welcomes everybody and hangs up on the messages a test names, as brokers without refusals do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.broker.server import Broker, Client

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hil.broker.packets import Publication


class FussyBroker(Broker):
    """Closes the connection instead of acknowledging what `hates` names; counts how often it did."""

    def __init__(self, hates: Callable[[Publication], bool]) -> None:
        super().__init__()
        self.hates, self.hang_ups, self.welcomes = hates, 0, 0

    def _take(self, client: Client, publication: Publication) -> None:
        if self.hates(publication):
            self.hang_ups += 1
            raise ConnectionResetError("not this one")
        super()._take(client, publication)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Client | None:
        self.welcomes += 1
        return await super()._greet(reader, writer)

    def drop_publisher(self) -> None:
        """Close the publisher's connection and leave the subscriber's; to be called on the broker's loop."""
        for client_id, client in list(self.clients.items()):
            if client_id.startswith("spingate-"):
                client.writer.close()


def nothing(_publication: Publication) -> bool:
    """Name no message: what a mended broker hates."""
    return False


def everything(_publication: Publication) -> bool:
    """Name every message."""
    return True


def large(publication: Publication) -> bool:
    """Name what is over a limit that the broker keeps to itself."""
    return len(publication.payload) > 2500
