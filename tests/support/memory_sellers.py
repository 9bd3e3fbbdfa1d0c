"""Sellers who are whoever a test says."""

from dataclasses import dataclass, field

from core.secret import Secret
from core.sellers import Seller

ANNA = Seller(ebay_user_id="anna-id", username="anna", marketplace_id="EBAY_DE")
BERT = Seller(ebay_user_id="bert-id", username=None, marketplace_id=None)


@dataclass
class Owners:
    """Says whose each token is, else that it is Anna's; an exception is raised once."""

    answers: list[Seller | Exception | None] = field(default_factory=list)

    def who(self, environment: str, token: Secret, *, timeout: float) -> Seller | None:
        answer = self.answers.pop(0) if self.answers else ANNA
        if isinstance(answer, Exception):
            raise answer
        return answer
