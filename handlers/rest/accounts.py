"""`/api/v1/accounts`: the connected sellers, as `accounts list` shows them."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from handlers import selling
from handlers.account_views import account_json
from handlers.rest.answers import database, problems

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


class Account(BaseModel):
    id: int
    name: str
    environment: str
    status: str
    status_reason: str | None
    ebay_user_id: str | None
    username: str | None
    marketplace_ids: list[str]
    country: str | None
    registration_marketplace_id: str | None
    signed_because: str | None = Field(description="why its calls are signed, null: they are not")
    access_expires_at: str | None
    refresh_expires_at: str | None
    last_success_at: str | None
    failing_streams: int
    scopes: list[str] | None
    missing_scopes: dict[str, str]


class Accounts(BaseModel):
    accounts: list[Account]


@router.get("", response_model=Accounts, responses=problems())
def list_accounts() -> dict[str, Any]:
    """Every connected seller; no token is ever shown."""
    with database() as ready:
        return {"accounts": [account_json(each) for each in selling.account_store(ready).list()]}
