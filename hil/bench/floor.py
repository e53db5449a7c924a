"""The floor: what any gateway must do to poll, sign, keep and publish, in one process and nothing besides. Edge.

No validation, calibration, retention or reconnection: the least that the promise "signed and on disk before it
is published" can cost on this machine. It is no product; it is what ours is measured against.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import deque
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import ModbusTcpClient

from gateway.publisher.link import set_nodelay
from hil.bench.stopwatch import COUNT, FIRST

TOPIC = "floor/reading"
INFLIGHT_MAX = 200          # the publisher's default


def outbox(path: Path) -> sqlite3.Connection:
    """Open the outbox: each commit is synced, as the journal's are."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE outbox (id INTEGER PRIMARY KEY, message BLOB NOT NULL)")
    return database


def run(device_port: int, broker_port: int, poll_s: float, folder: Path) -> None:
    """Poll, sign, commit, publish, for ever; rows go when their message was acknowledged."""
    key, database = Ed25519PrivateKey.generate(), outbox(folder / "outbox.db")
    acknowledged: deque[int] = deque()
    row_of: dict[int, int] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.on_socket_open = set_nodelay
    client.on_publish = lambda _client, _data, mid, _code, _said: acknowledged.append(mid)
    client.connect("127.0.0.1", broker_port)
    client.loop_start()
    device = ModbusTcpClient("127.0.0.1", port=device_port)
    device.connect()  # type: ignore[no-untyped-call]  # pymodbus left it without types
    due = time.monotonic()
    while True:
        registers = device.read_holding_registers(FIRST, count=COUNT).registers
        payload = b"".join(register.to_bytes(2, "big") for register in registers)
        message = payload + key.sign(payload)
        database.execute("BEGIN IMMEDIATE")
        done = [row_of.pop(acknowledged.popleft(), None) for _ in range(len(acknowledged))]
        database.executemany("DELETE FROM outbox WHERE id = ?", [(row,) for row in done])
        row = database.execute("INSERT INTO outbox (message) VALUES (?)", (message,)).lastrowid
        database.execute("COMMIT")
        row_of[client.publish(TOPIC, message, qos=1).mid] = row or 0
        due = max(due + poll_s, time.monotonic() - poll_s)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
