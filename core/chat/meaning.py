"""Whether an answer to a plan is a yes or a no: a few words, and nothing is guessed."""

import re
from enum import Enum


class Meaning(Enum):
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


_YES = """
y|yes|yep|yeah|yes please|yes do it|do it|go|go ahead|ok|okay|sure|approve|approved|confirm
confirmed|j|ja|jo|jawohl|ja bitte|ja mach|ja mach es|mach|mach es|los|klar|passt|in ordnung
einverstanden|genehmigt|genehmigen|bestätigt|bestätigen|freigeben|freigegeben|👍|👌|✅|✔
"""
_NO = """
n|no|nope|no thanks|no thank you|reject|rejected|cancel|cancelled|stop|abort|drop|drop it|do not
don't|don’t|nein|ne|nee|nö|nein danke|nicht|mach es nicht|lass es|abbrechen|abbruch|ablehnen
abgelehnt|verwerfen|stopp|halt|👎|❌|✖|🚫|⛔
"""  # noqa: RUF001  (an apostrophe as telephones write it)
# What a telephone adds to an emoji, and what people put around a word.
_LOOKS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_AROUND = re.compile(r"[\s.,;:!?\"„“”()*_/]+")


def meaning_of(text: str) -> Meaning:
    if "?" in text:
        return Meaning.UNCLEAR  # who asks has not decided
    words = _AROUND.sub(" ", _LOOKS.sub("", text)).strip().casefold()
    if words in _listed(_YES):
        return Meaning.YES
    return Meaning.NO if words in _listed(_NO) else Meaning.UNCLEAR


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.strip().replace("\n", "|").split("|"))
