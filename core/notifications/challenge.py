"""How an endpoint proves that it is ours when it is registered at eBay."""

import hashlib

from core.secret import Secret

LONGEST = 1000


def challenge_response(code: str, token: Secret, endpoint: str) -> str:
    """`endpoint` exactly as it is registered: a slash at its end counts."""
    return hashlib.sha256((code + token.reveal() + endpoint).encode()).hexdigest()
