"""Accounts as JSON: the same on the command line and over HTTP."""

from collections.abc import Mapping

from core.accounts.model import KnownAccount
from core.connect.scopes import missing, short
from core.report import instant
from handlers import connections


def account_json(account: KnownAccount) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "environment": account.environment,
        "status": account.status,
        "status_reason": account.status_reason,
        "ebay_user_id": account.ebay_user_id,
        "username": account.username,
        "marketplace_ids": list(account.marketplace_ids),
        "country": account.country,
        "registration_marketplace_id": account.registration_marketplace_id,
        "signed_because": account.signed_because,
        "access_expires_at": instant(account.access_expires_at),
        "refresh_expires_at": instant(account.refresh_expires_at),
        "last_success_at": instant(account.last_success_at),
        "failing_streams": account.failing,
        "scopes": None if account.scopes is None else [short(each) for each in account.scopes],
        "missing_scopes": dict(missing_scopes(account)),
    }


def missing_scopes(account: KnownAccount) -> Mapping[str, str]:
    """By stream; none where nobody told what was consented to."""
    if account.scopes is None:
        return {}
    return missing(account.scopes, connections.NEEDS)
