"""docs/asyncapi.yaml says what is really published, no more and no less."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # its types are a package of their own
import pytest
import yaml

from gateway.evidence.record import Kind
from gateway.publisher.journal import UNKNOWN
from tests.publisher.core import Core
from tests.publisher.ordering import answer_to, hearing
from tests.publisher.running import RunningPublisher, quick
from tests.publisher.subscriber import Heard, Subscriber, wait_for

if TYPE_CHECKING:
    from tests.publisher.mosquitto import Mosquitto

DOCUMENT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "docs" / "asyncapi.yaml").read_text())

# AsyncAPI 3.0.0: the fixed fields of each object that the document uses. The whole document was also checked
# against the official schema (npm @asyncapi/specs 6.11.1, schemas/3.0.0); that file is larger than this project's code.
FIELDS = {
    "root": {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"},
    "channel": {"address", "title", "description", "parameters", "messages"},
    "operation": {"action", "channel", "bindings"},
    "message": {"title", "contentType", "description", "headers", "payload"},
    "parameter": {"description", "enum"},
}


def resolve(node: Any) -> Any:
    """Follow a reference inside the document."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def references(node: Any) -> list[str]:
    """Return every reference in the document."""
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [ref for value in node.values() for ref in references(value)]
    return [ref for item in node for ref in references(item)] if isinstance(node, list) else []


def address(channel: dict[str, Any]) -> re.Pattern[str]:
    """Return the topics that a channel means."""
    text = re.escape(channel["address"]).replace(r"\{", "{").replace(r"\}", "}")
    for name, parameter in channel["parameters"].items():
        allowed = "|".join(resolve(parameter).get("enum", ["[A-Za-z0-9][A-Za-z0-9._-]{0,62}"]))
        text = text.replace(f"{{{name}}}", f"({allowed})")
    return re.compile(text)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> list[Heard]:
    """Give everything a gateway says from its first connection to its end, with a late and an early subscriber."""
    from tests.publisher.mosquitto import Mosquitto

    folder = tmp_path_factory.mktemp("asyncapi")
    broker: Mosquitto = Mosquitto(folder / "broker")
    core = Core(folder)
    core.faults(2)
    core.alarm()
    core.anomaly()
    core.configuration(100)
    with Subscriber(broker.port) as early:
        with hearing(quick(broker.port), folder / "no core"):
            answer_to(early, b'{"id": "gate-1", "order": "start", "claims": {"container": "CSQU3054383"}}')
        with RunningPublisher(core, folder / "s", quick(broker.port)) as running:
            assert wait_for(lambda: len(early.payloads()) == 5)
            assert wait_for(lambda: early.payloads("/checkpoint"))
            assert wait_for(lambda: not running.publisher.courier.window)
            with Subscriber(broker.port, name="late") as late:
                assert wait_for(lambda: late.payloads("/checkpoint") and late.payloads("/status"))
        assert wait_for(lambda: b"offline" in early.payloads("/status")[-1])
    core.close()
    broker.stop()
    return early.heard + late.heard


def test_the_document_is_well_formed_asyncapi_3() -> None:
    """Every object has only fields that the specification knows, and every reference leads somewhere."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) <= FIELDS["root"]
    assert set(DOCUMENT["info"]) == {"title", "version", "description", "license"}
    assert set(DOCUMENT["info"]["license"]) == {"name", "url"}
    for channel in DOCUMENT["channels"].values():
        assert set(channel) <= FIELDS["channel"]
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel["parameters"])
        assert all(set(resolve(item)) <= FIELDS["parameter"] for item in channel["parameters"].values())
    for operation in DOCUMENT["operations"].values():
        assert set(operation) == FIELDS["operation"]
        assert operation["action"] in {"send", "receive"}
        assert set(operation["bindings"]["mqtt"]) <= {"qos", "retain", "bindingVersion"}
    for message in DOCUMENT["components"]["messages"].values():
        assert set(message) <= FIELDS["message"]
        for part in {"headers", "payload"} & set(message):
            jsonschema.Draft7Validator.check_schema(message[part])
    assert all(resolve({"$ref": ref}) for ref in references(DOCUMENT))


def test_the_kinds_of_record_are_those_of_the_format() -> None:
    """A kind added to the record format has to be added to the contract."""
    assert DOCUMENT["channels"]["record"]["parameters"]["kind"]["enum"] == [*Kind, UNKNOWN]


def test_every_channel_has_one_operation() -> None:
    """Nothing is documented that nobody sends."""
    used = [operation["channel"]["$ref"].split("/")[-1] for operation in DOCUMENT["operations"].values()]
    assert sorted(used) == sorted(DOCUMENT["channels"])


def test_everything_published_is_in_the_document(heard: list[Heard]) -> None:
    """Topic, content type, properties and payload of every message fit exactly one channel."""
    for message in heard:
        names = [name for name, channel in DOCUMENT["channels"].items() if address(channel).fullmatch(message.topic)]
        assert len(names) == 1, message.topic
        said = resolve(DOCUMENT["channels"][names[0]]["messages"][names[0]])
        assert message.content_type == said["contentType"]
        if "headers" in said:
            jsonschema.validate(message.properties, said["headers"])
        else:
            assert message.properties == {}
        check_payload(message.payload, said)


def check_payload(payload: bytes, said: dict[str, Any]) -> None:
    """Hold a payload against its schema: JSON as JSON, text as text, binary by its length."""
    if "json" in said["contentType"]:
        jsonschema.validate(json.loads(payload), said["payload"])
    elif said["contentType"].startswith("text/"):
        jsonschema.validate(payload.decode(), said["payload"])
    else:
        assert 0 < len(payload) <= said["payload"]["maxLength"]


def test_every_channel_of_the_document_is_really_used(heard: list[Heard]) -> None:
    """Each documented channel carried at least one message, retained exactly where the document says so."""
    retained = {message.topic for message in heard if message.retain}
    for operation in DOCUMENT["operations"].values():
        channel = resolve(operation["channel"])
        topics = {message.topic for message in heard if address(channel).fullmatch(message.topic)}
        assert topics, channel["address"]
        assert bool(topics & retained) == operation["bindings"]["mqtt"]["retain"], channel["address"]
