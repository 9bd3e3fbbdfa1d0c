"""What a simulated seller sells, and to whom: made once per account, shared by its orders."""

from dataclasses import dataclass
from random import Random
from typing import Any

MARKETPLACES = {
    "EBAY_DE": ("EUR", "DE", ("DPD", "DE_DPDClassic")),
    "EBAY_US": ("USD", "US", ("USPS", "US_UPSGround")),
}
_CITIES = {
    "DE": (("Köln", "50667"), ("München", "80331"), ("Görlitz", "02826"), ("Bremen", "28195")),
    "US": (("Portland", "97201"), ("Boise", "83702"), ("Tulsa", "74103"), ("Salem", "01970")),
}
_STREETS = {"DE": "Straße am Mühlbach", "US": "N. Old Orchard Street"}
_FIRST = ("Anna", "Jürgen", "Zoë", "Max", "Siobhán", "Łukasz", "José", "Mary-Kate")
_LAST = ("Müller", "O'Neill", "Nguyễn", "Smith", "Żak", "García López", "Schmidt", "Lee")
_THINGS = (
    'Halterung 3/8" für Geländer, verzinkt & wetterfest - Set mit Schrauben',
    "Vintage Brass Door Knob with Plate, Reclaimed Victorian Style",
    "LED-Streifen 5 m RGB ✨ selbstklebend inkl. Netzteil und Fernbedienung",
    "Silicone Gasket Kit (x10) <heat resistant> for Espresso Machines",
    "Ersatzteil: Dichtung Ø 15 mm, lebensmittelecht, DIN 3869",
    "Wool Blanket 60x80 in. - 100% Merino, Hand-Woven, Charcoal Grey",
)
_ASPECTS = (("Länge", "1600 mm"), ("Höhe", "15mm (50 Stück)"), ("Color", "Blue / Green"), None)


@dataclass(frozen=True, slots=True)
class Market:
    marketplace_id: str
    currency: str
    country: str
    carrier: str
    service: str


@dataclass(frozen=True, slots=True)
class Item:
    """`facts` are the members of a line item that come from the listing."""

    item_id: str
    price: int
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Buyer:
    """`ship_to`, `buyer` are members of an order, ready to be shared by many."""

    username: str
    country: str
    buyer: dict[str, Any]
    ship_to: dict[str, Any]


def market(marketplace_id: str) -> Market:
    currency, country, (carrier, service) = MARKETPLACES[marketplace_id]
    return Market(marketplace_id, currency, country, carrier, service)


def make_items(rng: Random, count: int) -> list[Item]:
    return [_make_item(rng, number) for number in range(count)]


def _make_item(rng: Random, number: int) -> Item:
    item_id = str(rng.randrange(10**11, 10**12))
    aspect = _ASPECTS[number % len(_ASPECTS)]
    facts: dict[str, Any] = {"legacyItemId": item_id}
    if aspect:
        facts["legacyVariationId"] = str(rng.randrange(10**11, 10**12))
        facts["variationAspects"] = [{"name": aspect[0], "value": aspect[1]}]
    if number % 11:
        facts["sku"] = f"{rng.randrange(10**5)}.{'StKtRo'[number % 5 : number % 5 + 2]}"
    facts["title"] = _THINGS[number % len(_THINGS)] + f" #{number}"
    return Item(item_id, rng.randrange(199, 19_999), facts)


def make_buyers(rng: Random, count: int, country: str) -> list[Buyer]:
    return [_make_buyer(rng, number, country) for number in range(count)]


def _make_buyer(rng: Random, number: int, country: str) -> Buyer:
    city, postal_code = rng.choice(_CITIES[country])
    address = {
        "addressLine1": f"{_STREETS[country]} {rng.randrange(1, 400)}",
        "city": city,
        "postalCode": postal_code,
        "countryCode": country,
    }
    if number % 4 == 0:
        address["addressLine2"] = f"Apt. {number}, 2nd floor, rear building"
    if country == "US":
        address["stateOrProvince"] = "OR"
    full_name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    contact: dict[str, Any] = {
        "contactAddress": address,
        # eBay sends `{}` for some buyers.
        "primaryPhone": {} if number % 19 == 0 else {"phoneNumber": f"0{rng.randrange(10**9)}"},
        "email": f"{rng.getrandbits(48):012x}abcdef{number:04d}@members.ebay.com",
    }
    # US buyers are named by an immutable id since 2025-09-26.
    username = f"{rng.getrandbits(60):015x}" if country == "US" else f"käufer_{number}"
    return Buyer(
        username,
        country,
        _buyer_member(username, full_name, contact, number),
        {
            "fullName": full_name,
            **contact,
        },
    )


def _buyer_member(
    username: str, full_name: str, contact: dict[str, Any], number: int
) -> dict[str, Any]:
    address = contact["contactAddress"]
    kept = ("city", "stateOrProvince", "postalCode", "countryCode")
    registration = dict(contact)
    if number % 5:
        registration = {"fullName": full_name, **contact}
    if number % 7 == 0:
        registration["secondaryPhone"] = {"phoneNumber": f"0{number:09d}"}
    return {
        "username": username,
        "taxAddress": {key: address[key] for key in kept if key in address},
        "buyerRegistrationAddress": registration,
    }
