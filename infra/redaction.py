"""The second net below the rule that no secret is told.

The text of an exception that nobody foresaw, or what a server sent back, may hold what its sender
was given: eBay's tokens, credentials in headers, forms and addresses. Ordinary words stay.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

# What a token is made of, in JSON inside JSON as well: `\u0023` is #, `\/` is a slash.
_PART = r"(?:\\+u[0-9a-f]{4}|\\+/|[^\s\"'<>&,;\\])"
_HASH = r"(?:#|%23|\\+u0023)"
_CARET = r"(?:\^|%5e|\\+u005e)"
_QUOTE = r"\\*[\"']"
_NAMES = r"(?:access_token|refresh_token|client_secret|ebayauthtoken|password)"
_SECRETS = re.compile(
    # OAuth tokens, and the older ones that were made for the Trading API.
    rf"v{_CARET}1\.1{_HASH}{_PART}*"
    rf"|\bAgAAAA(?:\*\*|%2A%2A){_PART}*"
    # A word may follow the name of a scheme: a credential is long, and looks like none.
    rf"|(?P<scheme>\b(?:bearer|basic|iaf)(?:\s|%20|\+)+)"
    rf"(?:(?=[^\s\"'<>&,;]*[0-9^#=*]){_PART}{{16,}}|{_PART}{{24,}})"
    rf"|(?P<pair>\b{_NAMES}(?:=|%3D|{_QUOTE}\s*[:=]\s*{_QUOTE}))(?!{_QUOTE}){_PART}+"
    rf"|(?P<element><ebayauthtoken>)[^<]+"
    # The last @ before the host: a password may hold one.
    rf"|(?P<address>://)[^\s/\"'<>:]*:[^\s/\"'<>]+(?=@)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    return _SECRETS.sub(_kept, text)


def without(text: str, secrets: Iterable[str]) -> str:
    """As `redacted`, and without these secrets in any form in which a server may repeat them."""
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret)):
            if form:
                text = text.replace(form, "***")
    return redacted(text)


def _kept(found: re.Match[str]) -> str:
    kept = next((each for each in found.groups() if each is not None), "")
    return f"{kept}***"
