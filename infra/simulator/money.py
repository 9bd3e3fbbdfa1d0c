"""Amounts in cents, and as eBay writes them: a string with one or two decimals."""


def text(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole}.{rest // 10}" if rest % 10 == 0 else f"{sign}{whole}.{rest:02d}"


def amount(cents: int, currency: str) -> dict[str, str]:
    return {"value": text(cents), "currency": currency}
