"""Accounts, files, devices, reports: what is around the payments."""

from __future__ import annotations

from typing import Any

from .maker import CITIES, DAY, Maker, nulls

COUNTRIES = ("AE AT AU BE BG BR CA CH CI CR CY CZ DE DK DO EE ES FI FR GB GI GR GT HK HR HU ID IE IN IT JP LI LT LU "
             "LV MT MX MY NL NO NZ PE PH PL PT RO SE SG SI SK SN TH TT US UY").split()
MONEY = ("aed aud bgn brl cad chf cny czk dkk eur gbp hkd huf idr ils inr isk jpy krw mxn myr nok nzd php pln ron "
         "sek sgd thb try usd zar").split()


def account(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "account", "business_profile": {"mcc": None, "name": m.words().title(), "url": None},
        "business_type": "company", "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True, "country": "US", "created": m.created, "default_currency": "usd",
        "details_submitted": True, "email": f"owner-{m.id[-6:].lower()}@example.com", "metadata": m.metadata(),
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


def capability(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "capability", "account": m.parent, "requested": True, "requested_at": m.created,
        "requirements": {"currently_due": [], "disabled_reason": None}, "status": "active",
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
        "purpose": m.pick(("dispute_evidence", "business_logo")), "size": m.amount(), "title": None, "type": "pdf",
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


def report_type(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "reporting.report_type", "data_available_end": m.created,
        "data_available_start": m.created - 700 * DAY, "default_columns": ["category", "net"], "livemode": False,
        "name": m.id.replace(".", " "), "updated": m.created, "version": 1,
    }


def report_run(m: Maker) -> dict[str, Any]:
    return {
        **m.common("reporting.report_run", metadata=False), "error": None,
        "parameters": {"interval_end": m.created, "interval_start": m.created - 30 * DAY},
        "report_type": m.ref("report_type"), "result": None, "status": "succeeded", "succeeded_at": m.created + 60,
    }


def verification_session(m: Maker) -> dict[str, Any]:
    return {
        **m.common("identity.verification_session"), "client_reference_id": None, "client_secret": None,
        "last_error": None, "last_verification_report": None, "options": {"document": {}}, "redaction": None,
        "status": m.pick(("requires_input", "verified", "canceled")), "type": "document", "url": None,
    }


def verification_report(m: Maker) -> dict[str, Any]:
    return {
        **m.common("identity.verification_report", metadata=False), "client_reference_id": None,
        "document": {"status": "verified", "type": "passport"}, "options": {"document": {}}, "type": "document",
        "verification_session": m.ref("verification_session"),
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
    return {**m.common("apple_pay_domain", metadata=False), "domain_name": f"{m.token(6).lower()}.example.com"}


def payment_method_domain(m: Maker) -> dict[str, Any]:
    return {
        **m.common("payment_method_domain", metadata=False), "domain_name": f"{m.token(6).lower()}.example.com",
        "enabled": True, "apple_pay": {"status": "active"}, "google_pay": {"status": "active"},
        "link": {"status": "active"}, "paypal": {"status": "active"},
    }
