"""Key Management API: keys are made, and shown again without their private half."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from infra.simulator import jwe
from infra.simulator.answers import Answer, Request, error, json_answer
from infra.simulator.world import World

PATH = "/developer/key_management/v1/signing_key"
MASTER, APP_ID = "signing/master", "cronshot-simulator"
_THREE_YEARS_S = 3 * 365 * 86400
_PrivateKey = Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """`public`: what `getSigningKey` shows."""

    public: dict[str, Any]

    @property
    def key_id(self) -> str:
        return str(self.public["signingKeyId"])


def create_signing_key(world: World, request: Request) -> Answer:
    try:
        given = json.loads(request.body)
        cipher = given.get("signingKeyCipher")
    except (ValueError, AttributeError):
        return _refuse(210006, "You must request for new signing key with valid request payload.")
    if cipher not in {"ED25519", "RSA"}:
        known = "Allowed values are ED25519 and RSA."
        return _refuse(210001, f"You must supply a valid signing key cipher. {known}")
    number = len(world.signing_keys) + 1
    private = _private_key(world, cipher, number)
    issued = issue(world, private, cipher, number)
    world.signing_keys.append(issued)
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return json_answer(200, {**issued.public, "privateKey": base64.b64encode(pkcs8).decode()})


def get_signing_keys(world: World, _request: Request) -> Answer:
    return json_answer(200, {"signingKeys": [each.public for each in world.signing_keys]})


def get_signing_key(world: World, request: Request) -> Answer:
    wanted = request.path.rstrip("/").rpartition("/")[2]
    for each in world.signing_keys:
        if each.key_id == wanted:
            return json_answer(200, each.public)
    return _refuse(210002, f"The signing key with id {wanted} was not found.", status=404)


def issue(world: World, private: _PrivateKey, cipher: str, number: int, **claims: Any) -> IssuedKey:
    """A public key, sealed for this application; `claims` replace what the seal holds, or None."""
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public_key = base64.b64encode(spki).decode()
    created = world.clock.now_ms() // 1000
    key_id = _unique(world, f"id/{number}").hex()[:32]
    expires = created + _THREE_YEARS_S
    sealed = {
        "pkey": public_key,
        "appid": APP_ID,
        "cipher": cipher,
        "iat": created,
        "nbf": created,
        "exp": expires,
        "jti": key_id,
    } | claims
    random = _unique(world, f"jwe/{number}") + _unique(world, f"nonces/{number}")
    held = {name: value for name, value in sealed.items() if value is not None}
    return IssuedKey(
        public={
            "signingKeyId": key_id,
            "signingKeyCipher": cipher,
            "publicKey": public_key,
            "jwe": jwe.seal(held, world.secret(MASTER), random[:56]),
            "creationTime": created,
            "expirationTime": expires,
        }
    )


def _private_key(world: World, cipher: str, number: int) -> _PrivateKey:
    """The same for the same seed and instant; an RSA key is unlike any other."""
    if cipher == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Ed25519PrivateKey.from_private_bytes(_unique(world, f"private/{number}"))


def _unique(world: World, purpose: str) -> bytes:
    """Keys outlive a restart, after which counting begins anew."""
    return world.secret(f"signing/{purpose}/{world.clock.now_ms()}")


def _refuse(error_id: int, message: str, *, status: int = 400) -> Answer:
    return error(status, error_id, "API_KEYS", message)
