"""The [publisher] table of gateway.toml: where the broker is and how hard to lean on it.

Every key is typed, limited, described and defaulted; an unknown key is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=255)]
Path = Annotated[str, Meta(max_length=4096)]


class PublisherSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `spingate publish` reaches the broker. The defaults suit a broker on the same machine."""

    broker: Annotated[Text, Meta(min_length=1, description="host name or address of the MQTT broker")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(ge=1, le=65535, description="TCP port of the broker; 8883 is usual with TLS")
    ] = 1883
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"],
        Meta(description="MQTT version; auto falls back from 5 to 3.1.1, where a broker cannot refuse"),
    ] = "auto"
    client_id: Annotated[Text, Meta(description="MQTT client id; empty: spingate- and the gateway's id")] = ""
    topic_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\Z",
            max_length=128,
            description="first levels of every topic; /v1/ and the gateway's id follow",
        ),
    ] = "spingate"
    username: Annotated[Text, Meta(description="user name at the broker; empty: none")] = ""
    password_file: Annotated[Path, Meta(description="file with the password in line 1; empty: none")] = ""
    tls: Annotated[
        bool, Meta(description="speak TLS (1.2 or newer) and check the broker's certificate and name")
    ] = False
    tls_ca: Annotated[Path, Meta(description="PEM file of trusted authorities; empty: the system's")] = ""
    tls_cert: Annotated[Path, Meta(description="PEM file of our client certificate; empty: none")] = ""
    tls_key: Annotated[Path, Meta(description="PEM file of its private key; empty: inside tls_cert")] = ""
    keepalive_s: Annotated[
        int, Meta(ge=2, le=3600, description="silence after which the broker is asked for a sign of life")
    ] = 15
    connect_s_max: Annotated[
        float, Meta(ge=0.5, le=60, description="wait for the connection, and again for the broker's welcome")
    ] = 5.0
    ack_s_max: Annotated[
        float, Meta(ge=1, le=300, description="a message unacknowledged for so long means a dead link")
    ] = 20.0
    reconnect_s_min: Annotated[
        float, Meta(ge=0.05, le=60, description="first wait before connecting again")
    ] = 0.2
    reconnect_s_max: Annotated[
        float, Meta(ge=0.05, le=600, description="ceiling of that wait, which doubles each time")
    ] = 10.0
    refusal_retry_s_min: Annotated[
        float, Meta(ge=0.05, le=3600, description="first wait before a refused topic is tried again")
    ] = 1.0
    refusal_retry_s_max: Annotated[
        float, Meta(ge=0.05, le=3600, description="ceiling of that wait, which doubles each time")
    ] = 60.0
    inflight_max: Annotated[
        int, Meta(ge=4, le=1000, description="messages sent, not yet acknowledged: what a restart may repeat")
    ] = 200
    message_bytes_max: Annotated[
        int,
        Meta(
            ge=1024,
            le=16 * 1024 * 1024,
            description="a larger record is set aside and reported; the broker's own limit counts too",
        ),
    ] = 1024 * 1024
    poll_ms: Annotated[
        int, Meta(ge=10, le=5000, description="look into the journal at least so often, woken or not")
    ] = 250
    orders: Annotated[
        bool, Meta(description="follow orders to start and stop scans over MQTT; the broker says who may give them")
    ] = False
    alerts: Annotated[bool, Meta(description="mirror alarms and anomalies as plain CloudEvents JSON")] = True
