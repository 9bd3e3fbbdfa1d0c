"""Notification API: the key that notifications are signed with, and getPublicKey."""

import base64
import hashlib
import json
import uuid

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.simulator.answers import Answer, Request, error, json_answer
from infra.simulator.world import World

_UNKNOWN = error(404, 195001, "API_NOTIFICATION", "The specified key id is invalid.")


def key_id(world: World) -> str:
    return str(uuid.UUID(bytes=world.secret("notification/id")[:16], version=4))


def private_key(world: World) -> ec.EllipticCurvePrivateKey:
    """The same for the same seed."""
    number = int.from_bytes(hashlib.sha256(world.secret("notification/key")).digest())
    return ec.derive_private_key(number >> 8, ec.SECP256R1())


def signature_header(world: World, body: bytes) -> str:
    """X-EBAY-SIGNATURE over these very bytes."""
    signature = private_key(world).sign(body, ec.ECDSA(SHA1()))  # noqa: S303 -- eBay's choice
    said = {
        "alg": "ecdsa",
        "kid": key_id(world),
        "signature": base64.b64encode(signature).decode(),
        "digest": "SHA1",
    }
    return base64.b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()


def get_public_key(world: World, request: Request) -> Answer:
    """In one line, as eBay writes it."""
    if request.path.rstrip("/").rpartition("/")[2] != key_id(world):
        return _UNKNOWN
    public = private_key(world).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b64encode(der).decode()
    key = f"-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----"
    return json_answer(200, {"key": key, "algorithm": "ECDSA", "digest": "SHA1"})
