"""Members of an order that few orders have, so that every documented value appears somewhere."""

from collections.abc import Callable
from typing import Any

from infra.simulator import money
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, Order

TAX_IDS = ("CODICE_FISCALE", "CURP", "DNI", "NIE", "NIF", "NIT", "RFC", "RUT", "VATIN")
TAX_TYPES = (
    "STATE_SALES_TAX",
    "PROVINCE_SALES_TAX",
    "REGION",
    "VAT",
    "GST",
    "ELECTRONIC_RECYCLING_FEE",
    "MATTRESS_RECYCLING_FEE",
    "ADDITIONAL_FEE",
    "BATTERY_RECYCLING_FEE",
    "TIRE_RECYCLING_FEE",
    "WHITE_GOODS_DISPOSABLE_TAX",
    "IMPORT_VAT",
    "SST",
)
PAYMENT_METHODS = (
    "CREDIT_CARD",
    "PAYPAL",
    "CASHIER_CHECK",
    "PERSONAL_CHECK",
    "CASH_ON_PICKUP",
    "EFT",
    "ESCROW",
)
_REASONS = (
    "NOT_AUTHENTIC",
    "NOT_AS_DESCRIBED",
    "CUSTOMIZED",
    "MISCATEGORIZED",
    "NOT_AUTHENTIC_NO_RETURN",
)
_VERDICTS = ("PENDING", "PASSED", "FAILED", "PASSED_WITH_EXCEPTION")
_VAULT = ("SELLER_TO_VAULT", "VAULT_TO_VAULT", "VAULT_TO_BUYER")
_INSTRUCTIONS = ("DIGITAL", "PREPARE_FOR_PICKUP", "SELLER_DEFINED", "FULFILLED_BY_EBAY")
_APPOINTMENTS = ("ON_HOLD", "CONFIRMED", "CANCELLED", "FULFILLED")

Body = dict[str, Any]


def tax_identifier(_order: Order, body: Body, nth: int) -> None:
    body["buyer"] = {
        **body["buyer"],
        "taxIdentifier": {
            "taxpayerId": f"{nth:08d}X",
            "taxIdentifierType": TAX_IDS[nth % len(TAX_IDS)],
            "issuingCountry": "IT",
        },
    }


def program(_order: Order, body: Body, nth: int) -> None:
    body["program"] = {
        "authenticityVerification": {
            "status": _VERDICTS[nth % 4],
            "outcomeReason": _REASONS[nth % 5],
        },
        "ebayShipping": {"shippingLabelProvidedBy": "EBAY"},
        "ebayVault": {"fulfillmentType": _VAULT[nth % 3]},
        "ebayInternationalShipping": {"returnsManagedBy": "EBAY"},
        "fulfillmentProgram": {"fulfilledBy": "EBAY"},
    }


def payment_method(order: Order, body: Body, nth: int) -> None:
    payment = body["paymentSummary"]["payments"][0]
    payment["paymentMethod"] = PAYMENT_METHODS[nth % len(PAYMENT_METHODS)]
    payment["paymentHolds"] = [
        {
            "holdReason": "NEW_SELLER",
            "holdState": "HELD",
            "holdAmount": money.amount(order.total, order.market.currency),
            "expectedReleaseDate": iso(order.created + 21 * DAY_MS),
            "sellerActionsToRelease": [{"sellerActionToRelease": "UPLOAD_TRACKING"}],
        }
    ]


def instructions(order: Order, body: Body, nth: int) -> None:
    first = body["fulfillmentStartInstructions"][0]
    first["fulfillmentInstructionsType"] = _INSTRUCTIONS[nth % 4]
    first["pickupStep"] = {"merchantLocationKey": f"store-{nth}"}
    first["appointment"] = {
        "appointmentType": ("TIME_SLOT", "MACRO")[nth % 2],
        "appointmentStatus": _APPOINTMENTS[nth % 4],
        "appointmentWindow": ("MORNING", "EVENING")[nth % 2],
        "appointmentStartTime": iso(order.created + DAY_MS),
        "appointmentEndTime": iso(order.created + 2 * DAY_MS),
        "serviceProviderAppointmentDate": iso(order.created + DAY_MS),
    }
    first["finalDestinationAddress"] = order.buyer.ship_to["contactAddress"]


def collected_taxes(order: Order, body: Body, nth: int) -> None:
    body["ebayCollectAndRemitTax"] = True
    line = body["lineItems"][0]
    amount = money.amount(order.lines[0].cost * 7 // 100, order.market.currency)
    line["ebayCollectAndRemitTaxes"] = [
        {
            "taxType": TAX_TYPES[nth % len(TAX_TYPES)],
            "amount": amount,
            "collectionMethod": ("INVOICE", "NET")[nth % 2],
            "ebayReference": {"name": "IOSS", "value": "IM2760000742"},
        }
    ]
    line["ebayCollectedCharges"] = {
        "ebayShipping": amount,
        "charges": [{"amount": amount, "chargeType": "BUYER_PROTECTION"}],
    }


def gift(order: Order, body: Body, nth: int) -> None:
    body["buyerCheckoutNotes"] = 'Bitte klingeln bei "Müller" - 2. OG \u2028 Danke! 🎁'
    line = body["lineItems"][0]
    line["giftDetails"] = {
        "message": "Alles Gute zum Geburtstag! 🎉\nDeine Oma",
        "recipientEmail": "friend@example.com",
        "senderName": "Zoë",
    }
    line["compatibilityProperties"] = [
        {"propertyDisplayName": "Baujahr", "propertyName": "Year", "propertyValue": "2019"}
    ]
    line["linkedOrderLineItems"] = [
        {
            "lineItemId": f"9{order.lines[0].line_id[1:]}",
            "orderId": f"99-{nth:05d}-00001",
            "sellerId": "another_seller",
            "title": "Montage",
            "lineItemAspects": [{"name": "Size", "value": "M"}],
            "minEstimatedDeliveryDate": iso(order.created + DAY_MS),
            "maxEstimatedDeliveryDate": iso(order.created + 3 * DAY_MS),
            "shipments": [{"shipmentTrackingNumber": f"1Z{nth:08d}", "shippingCarrierCode": "UPS"}],
        }
    ]


def charges(order: Order, body: Body, nth: int) -> None:
    currency = order.market.currency
    body["pricingSummary"]["adjustment"] = money.amount(-(nth % 90), currency)
    body["pricingSummary"]["fee"] = money.amount(nth % 70, currency)
    body["pricingSummary"]["priceSubtotal"] |= {
        "convertedFromValue": money.text(order.total * 9 // 8),
        "convertedFromCurrency": "GBP",
    }
    delivery = body["lineItems"][0]["deliveryCost"]
    delivery["handlingCost"] = money.amount(100, currency)
    delivery["importCharges"] = money.amount(250, currency)
    delivery["shippingIntermediationFee"] = money.amount(45, currency)


def sold_format(_order: Order, body: Body, nth: int) -> None:
    formats = ("AUCTION", "OTHER", "SECOND_CHANCE_OFFER")
    body["lineItems"][0]["soldFormat"] = formats[nth % 3]
    body["lineItems"][0]["properties"] = {
        "buyerProtection": False,
        "fromBestOffer": True,
        "soldViaAdCampaign": nth % 2 == 0,
    }


def unknown_enums(_order: Order, body: Body, _nth: int) -> None:
    body["lineItems"][0]["soldFormat"] = "LIVE_STREAM"
    body["cancelStatus"]["cancelState"] = "UNDER_REVIEW"
    body["fulfillmentStartInstructions"][0]["fulfillmentInstructionsType"] = "DRONE"


def unknown_fields(_order: Order, body: Body, nth: int) -> None:
    body["sustainability"] = {"score": nth % 100, "labels": ["recycled", None], "verified": True}
    body["lineItems"][0]["futureField"] = f"not in the contract {nth}"


_KNOWN: tuple[Callable[[Order, Body, int], None], ...] = (
    tax_identifier,
    program,
    payment_method,
    instructions,
    collected_taxes,
    gift,
    charges,
    sold_format,
)
_ONE_IN = 6


def add(order: Order, body: Body, *, fields: bool, enums: bool) -> None:
    """Add what this order's variety asks for; one order in six has something rare."""
    nth, place = divmod(order.variety, len(_KNOWN) * _ONE_IN)
    if place < len(_KNOWN):
        _KNOWN[place](order, body, nth)
    if fields and order.variety % 10 == 3:
        unknown_fields(order, body, nth)
    if enums and order.variety % 100 == 7:
        unknown_enums(order, body, nth)
