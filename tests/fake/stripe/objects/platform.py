"""Accounts, files, devices, reports: what is around the payments."""

from __future__ import annotations

from typing import Any

from .maker import CITIES, DAY, Maker, nulls

COUNTRIES = [
    "AE",
    "AT",
    "AU",
    "BE",
    "BG",
    "BR",
    "CA",
    "CH",
    "CI",
    "CR",
    "CY",
    "CZ",
    "DE",
    "DK",
    "DO",
    "EE",
    "ES",
    "FI",
    "FR",
    "GB",
    "GI",
    "GR",
    "GT",
    "HK",
    "HR",
    "HU",
    "ID",
    "IE",
    "IN",
    "IT",
    "JP",
    "LI",
    "LT",
    "LU",
    "LV",
    "MT",
    "MX",
    "MY",
    "NL",
    "NO",
    "NZ",
    "PE",
    "PH",
    "PL",
    "PT",
    "RO",
    "SE",
    "SG",
    "SI",
    "SK",
    "SN",
    "TH",
    "TT",
    "US",
    "UY",
]
MONEY = [
    "aed",
    "aud",
    "bgn",
    "brl",
    "cad",
    "chf",
    "cny",
    "czk",
    "dkk",
    "eur",
    "gbp",
    "hkd",
    "huf",
    "idr",
    "ils",
    "inr",
    "isk",
    "jpy",
    "krw",
    "mxn",
    "myr",
    "nok",
    "nzd",
    "php",
    "pln",
    "ron",
    "sek",
    "sgd",
    "thb",
    "try",
    "usd",
    "zar",
]

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def account(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "account", "business_profile": {"mcc": None, "name": m.words().title(),
            "url": None},
        "business_type": "company", "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True, "country": "US", "created": m.created, "default_currency": "usd",
        "details_submitted": True, "email": f"owner-{m.id[-6:].lower()}@example.com",
        "metadata": m.metadata(),
        "payouts_enabled": True, "settings": {"branding": nulls("icon logo primary_color secondary_color")},
        "tos_acceptance": {"date": None}, "type": "express",
    }


def person(m: Maker) -> dict[str, Any]:
    first, _, last = m.person().partition(" ")
    return {
        "id": m.id, "object": "person", "account": m.parent, "address": m.address(), "created": m.created,
        "dob": {"day": 1, "month": 2, "year": 1980}, "first_name": first, "last_name": last,
        "id_number_provided": True, "metadata": m.metadata(), "relationship": {"owner": True, "title": None},
        "ssn_last_4_provided": True, "verification": {"status": "verified"},
    }



def test_clock(m: Maker) -> dict[str, Any]:
    return {
        **m.common("test_helpers.test_clock", metadata=False), "deletes_after": m.created + 60 * DAY,
        "frozen_time": m.created, "name": m.words(), "status": "ready",
    }


def file(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "file", "created": m.created, "expires_at": m.created + 365 * DAY,
        "filename": f"{m.words(1)}.pdf", "links": {"object": "list", "data": [], "has_more": False,
                                                  "url": f"/v1/file_links?file={m.id}"},
        "purpose": m.pick(("dispute_evidence", "business_logo")), "size": m.amount(), "title": None,
        "type": "pdf",
        "url": f"https://files.example.com/v1/files/{m.id}/contents",
    }


def file_link(m: Maker) -> dict[str, Any]:
    return {
        **m.common("file_link"), "expired": False, "expires_at": None, "file": m.ref("file"),
        "url": f"https://files.example.com/links/{m.token()}",
    }


def webhook_endpoint(m: Maker) -> dict[str, Any]:
    return {
        **m.common("webhook_endpoint"), "api_version": None, "application": None, "description": m.words(),
        "enabled_events": ["*"], "status": "enabled", "url": f"https://hooks.example.com/{m.token(8)}",
    }


def country_spec(m: Maker) -> dict[str, Any]:
    """Its id is the country: there is one of each and no more."""
    return {
        "id": m.id, "object": "country_spec", "default_currency": "usd",
        "supported_bank_account_currencies": {"usd": ["US"]}, "supported_payment_currencies": list(MONEY),
        "supported_payment_methods": ["card"], "supported_transfer_countries": COUNTRIES[:12],
        "verification_fields": {"company": {"additional": [], "minimum": []},
                                "individual": {"additional": [], "minimum": []}},
    }


def exchange_rate(m: Maker) -> dict[str, Any]:
    """Numbers of fifteen digits: they change when they pass through a float of fewer."""
    return {
        "id": m.id, "object": "exchange_rate",
        "rates": {currency: round(m.rng.random() * 100 + 0.01, 13) for currency in MONEY},
    }



def reporting_report_run(m: Maker) -> dict[str, Any]:
    return {
        **m.common("reporting.report_run", metadata=False), "error": None,
        "parameters": {"interval_end": m.created, "interval_start": m.created - 30 * DAY},
        "report_type": "balance.summary.1", "result": None, "status": "succeeded",
        "succeeded_at": m.created + 60,
    }


def identity_verification_session(m: Maker) -> dict[str, Any]:
    return {
        **m.common("identity.verification_session"), "client_reference_id": None, "client_secret": None,
        "last_error": None, "last_verification_report": None, "options": {"document": {}}, "redaction": None,
        "status": m.pick(("requires_input", "verified", "canceled")), "type": "document", "url": None,
    }


def identity_verification_report(m: Maker) -> dict[str, Any]:
    return {
        **m.common("identity.verification_report", metadata=False), "client_reference_id": None,
        "document": {"status": "verified", "type": "passport"}, "options": {"document": {}},
        "type": "document",
        "verification_session": m.ref("identity_verification_session"),
    }


def terminal_location(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "terminal.location", "address": m.address(), "display_name": m.pick(CITIES)[0],
        "livemode": False, "metadata": m.metadata(),
    }


def terminal_reader(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "terminal.reader", "action": None, "device_sw_version": "2.37.2",
        "device_type": "stripe_m2", "ip_address": None, "label": m.words(1), "livemode": False,
        "location": m.ref("terminal_location"), "metadata": m.metadata(), "serial_number": m.token(12),
        "status": m.pick(("online", "offline")),
    }


def apple_pay_domain(m: Maker) -> dict[str, Any]:
    return {**m.common("apple_pay_domain", metadata=False),
        "domain_name": f"{m.token(6).lower()}.example.com"}


def payment_method_domain(m: Maker) -> dict[str, Any]:
    return {
        **m.common("payment_method_domain", metadata=False),
        "domain_name": f"{m.token(6).lower()}.example.com",
        "enabled": True, "apple_pay": {"status": "active"}, "google_pay": {"status": "active"},
        "link": {"status": "active"}, "paypal": {"status": "active"},
    }


def external_account(m: Maker) -> dict[str, Any]:
    """Has no `created`."""
    return {
        "id": m.id, "object": "bank_account", "account": m.parent, "account_holder_name": m.person(),
        "account_holder_type": "individual", "account_type": None, "available_payout_methods": ["standard"],
        "bank_name": "TEST BANK", "country": "US", "currency": "usd", "default_for_currency": True,
        "fingerprint": m.token(16), "last4": "6789", "metadata": m.metadata(), "routing_number": "110000000",
        "status": "new",
    }


def terminal_configuration(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "terminal.configuration", "is_account_default": False, "livemode": False,
        "name": m.words(), "tipping": {"usd": {"fixed_amounts": None, "percentages": [15, 20]}},
    }


def payment_method_configuration(m: Maker) -> dict[str, Any]:
    choice = {"available": True, "display_preference": {"overridable": None, "preference": "on",
            "value": "on"}}
    return {
        "id": m.id, "object": "payment_method_configuration", "active": True, "application": None,
        "card": choice,
        "is_default": False, "link": choice, "livemode": False, "name": m.words(), "parent": None,
    }


def financial_connections_account(m: Maker) -> dict[str, Any]:
    return {
        **m.common("financial_connections.account", metadata=False), "category": "cash",
        "account_holder": {"customer": m.ref("customer"), "type": "customer"}, "display_name": m.words(),
        "institution_name": "Test Institution", "last4": "6789", "permissions": ["balances"],
        "status": "active",
        "subcategory": "checking", "subscriptions": [], "supported_payment_method_types": ["us_bank_account"],
        **nulls("balance balance_refresh ownership ownership_refresh transaction_refresh"),
    }


def financial_connections_transaction(m: Maker) -> dict[str, Any]:
    """Has `transacted_at` and no `created`."""
    return {
        "id": m.id, "object": "financial_connections.transaction", "account": m.parent, "amount": -m.amount(),
        "currency": "usd", "description": m.words(), "livemode": False, "status": "posted",
        "status_transitions": {"posted_at": m.created, "void_at": None}, "transacted_at": m.created,
        "transaction_refresh": f"fctxnref_{m.token()}", "updated": m.created,
    }


def forwarding_request(m: Maker) -> dict[str, Any]:
    return {
        **m.common("forwarding.request", metadata=False), "payment_method": m.ref("payment_method"),
        "replacements": ["card_number"], "request_context": {"destination_duration": 80},
        "request_details": {"body": "{}", "headers": [], "http_method": "POST"},
        "response_details": {"body": "{\"ok\": true}", "headers": [], "status": 200},
        "url": "https://forward.example.com/charge",
    }


def sigma_scheduled_query_run(m: Maker) -> dict[str, Any]:
    return {
        **m.common("scheduled_query_run", metadata=False), "data_load_time": m.created, "file": None,
        "result_available_until": m.created + 7 * DAY, "sql": "SELECT count(*) FROM charges",
        "status": "completed",
        "title": m.words(),
    }


def climate_supplier(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "climate.supplier", "info_url": "https://climate.example.com",
        "livemode": False,
        "locations": [{"city": None, "country": "US", "latitude": 39.7, "longitude": -104.9, "region": "CO"}],
        "name": m.words().title(), "removal_pathway": "direct_air_capture",
    }


def climate_product(m: Maker) -> dict[str, Any]:
    price = {"usd": {"amount_fees": 300, "amount_subtotal": 60_000, "amount_total": 60_300}}
    return {
        **m.common("climate.product", metadata=False), "current_prices_per_metric_ton": price,
        "delivery_year": 2032,
        "metric_tons_available": "123.45", "name": m.words().title(),
        "suppliers": [m.some("climate_supplier")],
    }


def climate_order(m: Maker) -> dict[str, Any]:
    return {
        **m.common("climate.order"), "amount_fees": 300, "amount_subtotal": 60_000, "amount_total": 60_300,
        "currency": "usd", "delivery_details": [], "expected_delivery_year": 2032, "metric_tons": "1.0",
        "product": m.ref("climate_product"), "status": m.pick(("confirmed", "open", "delivered")),
        **nulls("canceled_at cancellation_reason certificate confirmed_at delayed_at delivered_at "
                "product_substituted_at"),
    }
