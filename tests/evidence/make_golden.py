"""Write the golden files anew. Run by hand only, when the format gets a new version; the commit says why.

`python -m tests.evidence.make_golden` from the project's root.
"""

from pathlib import Path

from gateway.evidence import checkpoint, cose, record
from gateway.evidence.record import Kind
from gateway.evidence.tree import leaf_hash, root_of
from tests.evidence.samples import GATEWAY, KEY, full_draft

GOLDEN = Path(__file__).parent / "golden"

messages = {kind: cose.sign(record.encode(full_draft(kind), GATEWAY, 41), KEY.ed25519, KEY.kid) for kind in Kind}
lines = ["# One signed record of each kind, in hex. Signed with the private key of 32 bytes 01."]
lines += [f"{kind} {message.hex()}" for kind, message in messages.items()]
GOLDEN.mkdir(exist_ok=True)
(GOLDEN / "records.txt").write_text("\n".join(lines) + "\n")
root = root_of(leaf_hash(message) for message in messages.values())
(GOLDEN / "checkpoint.txt").write_bytes(checkpoint.sign(checkpoint.origin_of(GATEWAY), len(messages), root, KEY))
