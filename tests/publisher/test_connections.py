"""Who we connect to and how: MQTT versions, TLS with client certificates, user names, narrow brokers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import MQTTProtocolVersion

from hil.broker.packets import V311
from hil.broker.server import Broker
from tests.publisher.embedded import EmbeddedBroker
from tests.publisher.mosquitto import Mosquitto
from tests.publisher.running import RunningPublisher, quick
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import paho.mqtt.client as mqtt

    from tests.publisher.core import Core


def certificate(folder: Path, name: str, issuer: str | None = None) -> None:
    """Write NAME.crt and NAME.key, signed by `issuer` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signing = subject, key
    if issuer is not None:
        signer = x509.load_pem_x509_certificate((folder / f"{issuer}.crt").read_bytes()).subject
        loaded = serialization.load_pem_private_key((folder / f"{issuer}.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing = loaded
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(signer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1)).add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Give a folder with an authority, a broker's and a gateway's certificate."""
    certificate(tmp_path, "authority")
    for name in ("broker", "bay-7", "stranger"):
        certificate(tmp_path, name, "authority" if name != "stranger" else None)
    return tmp_path


def test_it_connects_with_tls_and_a_client_certificate(authority: Path, core: Core) -> None:
    """mTLS: without a certificate of the right authority the broker does not let us in; with it, it does."""
    broker = Mosquitto(
        authority / "broker", f"cafile {authority}/authority.crt", f"certfile {authority}/broker.crt",
        f"keyfile {authority}/broker.key", "require_certificate true", "use_identity_as_username true",
        "tls_version tlsv1.3",
    )  # fmt: skip
    tls = {"tls": True, "tls_ca": f"{authority}/authority.crt"}
    ours = {"tls_cert": f"{authority}/bay-7.crt", "tls_key": f"{authority}/bay-7.key"}

    def identify(client: mqtt.Client) -> None:
        client.tls_set(f"{authority}/authority.crt", ours["tls_cert"], ours["tls_key"])

    core.faults(200)
    with RunningPublisher(core, authority / "s", quick(broker.port, **tls)) as running:
        assert wait_for(lambda: running.publisher.failures > 1)
        assert running.publisher.courier.published == 0
    stranger = {"tls_cert": f"{authority}/stranger.crt", "tls_key": f"{authority}/stranger.key"}
    with RunningPublisher(core, authority / "s", quick(broker.port, **tls, **stranger)) as running:
        assert wait_for(lambda: running.publisher.failures > 1)
    with (
        Subscriber(broker.port, setup=identify, name="audit") as subscriber,
        RunningPublisher(core, authority / "s", quick(broker.port, **tls, **ours)),
    ):
        assert wait_for(lambda: len(subscriber.payloads()) == 200)
    broker.stop()


def test_it_does_not_speak_to_a_broker_of_another_authority(authority: Path, core: Core) -> None:
    """A broker whose certificate we cannot check gets nothing, and the error says why."""
    broker = Mosquitto(
        authority / "broker", "allow_anonymous true", f"certfile {authority}/stranger.crt",
        f"keyfile {authority}/stranger.key",
    )  # fmt: skip
    tls = {"tls": True, "tls_ca": f"{authority}/authority.crt"}
    with RunningPublisher(core, authority / "s", quick(broker.port, **tls)) as running:
        assert wait_for(lambda: "certificate verify failed" in running.publisher.courier.last_error.lower())
    broker.stop()


def test_a_missing_password_or_certificate_file_is_named(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """A file that is not there is a reason to wait and say so, not to fall over."""
    settings = quick(broker.port, username="gateway", password_file=str(tmp_path / "nowhere"))
    with RunningPublisher(core, tmp_path / "s", settings) as running:
        assert wait_for(lambda: "nowhere" in running.publisher.courier.last_error)


def test_it_gives_user_name_and_password(core: Core, tmp_path: Path) -> None:
    """The password is the first line of a file; with a wrong one the broker's refusal is told."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gateway", "s3cret"], check=True)
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "right").write_text("s3cret\nsecond line\n")
    core.faults(5)
    user = {"username": "gateway", "password_file": str(tmp_path / "wrong")}
    with RunningPublisher(core, tmp_path / "s", quick(broker.port, **user)) as running:
        assert wait_for(lambda: "Not authorized" in running.publisher.courier.last_error)
    user["password_file"] = str(tmp_path / "right")
    with RunningPublisher(core, tmp_path / "s", quick(broker.port, **user)) as running:
        assert wait_for(lambda: running.publisher.courier.published == 5)
    broker.stop()


def test_it_falls_back_to_mqtt_3_1_1(core: Core, tmp_path: Path) -> None:
    """A broker that refuses MQTT 5 gets the same payloads in 3.1.1."""
    core.faults(50)
    old = MQTTProtocolVersion.MQTTv311
    with (
        EmbeddedBroker(Broker(versions=frozenset({V311}))) as broker,
        Subscriber(broker.port, version=old) as subscriber,
        RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running,
    ):
        assert wait_for(lambda: len(subscriber.payloads()) == 50)
        assert wait_for(lambda: running.status().protocol == "3.1.1")
    assert subscriber.payloads() == core.messages()


def test_a_fixed_version_is_kept_to(core: Core, tmp_path: Path) -> None:
    """Who configures MQTT 5 alone gets no silent downgrade."""
    with (
        EmbeddedBroker(Broker(versions=frozenset({V311}))) as broker,
        RunningPublisher(core, tmp_path / "s", quick(broker.port, protocol="5")) as running,
    ):
        assert wait_for(lambda: running.publisher.failures > 2)
        assert running.publisher.dialect.version == "5"
        assert "protocol version" in running.publisher.courier.last_error.lower()


def test_a_brokers_receive_maximum_is_kept(core: Core, tmp_path: Path) -> None:
    """No more is in flight than the broker said it takes, whatever our own setting."""
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", "max_inflight_messages 10")
    core.faults(500)
    with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: running.publisher.courier.link is not None)
        assert wait_for(lambda: running.publisher.courier.published == 500)
        assert running.publisher.courier.window.size <= 200
    broker.stop()
