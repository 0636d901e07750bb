"""Customers and what belongs to them."""

from __future__ import annotations

from typing import Any

from .maker import Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def customer(m: Maker) -> dict[str, Any]:
    name = m.person()
    address = m.address()
    number = m.id[-8:]
    return {
        "id": m.id, "object": "customer", "address": address if m.chance(0.8) else None,
        "balance": 0 if m.chance(0.8) else -m.amount(), "created": m.created,
        "currency": m.pick(("usd", "eur", None)),
        "default_source": None, "delinquent": m.chance(0.1), "description": f"Account {number}: {m.words(4)}",
        "discount": None, "email": f"customer-{number.lower()}@example.com", "invoice_prefix": number.upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        "livemode": False,
        "metadata": {
            "plan": m.words(1), "signup_source": m.pick(("web", "ios", "android", "sales")),
            "note": m.words(6),
            "external_id": m.token(32), "segments": "a,b;c=\"d\"\\e",
        },
        "name": name, "next_invoice_sequence": int(m.rng.random() * 50) + 1,
        "phone": f"+1415555{int(m.rng.random() * 10_000):04d}", "preferred_locales": ["en"],
        "shipping": {"address": address, "name": name, "phone": None} if m.chance(0.6) else None,
        "tax_exempt": "none", "test_clock": None,
    }


def tax_id(m: Maker) -> dict[str, Any]:
    return {
        **m.common("tax_id", metadata=False), "country": "DE", "customer": m.parent,
        "owner": {"account": None, "application": None, "customer": m.parent, "type": "customer"},
        "type": "eu_vat", "value": f"DE{int(m.rng.random() * 1e9):09d}",
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }


def customer_balance_transaction(m: Maker) -> dict[str, Any]:
    amount = -m.amount()
    return {
        **m.common("customer_balance_transaction"), "amount": amount, "credit_note": None, "currency": "usd",
        "customer": m.parent, "description": m.words(), "ending_balance": amount, "invoice": None,
        "type": "adjustment",
    }


def customer_cash_balance_transaction(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    return {
        **m.common("customer_cash_balance_transaction", metadata=False), "currency": "eur",
        "customer": m.parent,
        "ending_balance": amount, "net_amount": amount, "type": "funded",
        "funded": {"bank_transfer": {"reference": m.token(12), "type": "eu_bank_transfer"}},
    }


def customer_source(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "card", "brand": "Visa", "country": "US", "customer": m.parent,
        "cvc_check": "pass",
        "exp_month": 1 + int(m.rng.random() * 12), "exp_year": 2030, "fingerprint": m.token(16),
        "funding": "credit",
        "last4": "4242", "metadata": {}, "name": m.person(),
        **nulls("address_city address_country address_line1 address_line1_check address_line2 address_state "
                "address_zip address_zip_check dynamic_last4 tokenization_method"),
    }


def payment_method(m: Maker) -> dict[str, Any]:
    card = m.chance(0.8)
    kind = "card" if card else "sepa_debit"
    details = (
        {"brand": m.pick(("visa", "mastercard")), "exp_month": 1 + int(m.rng.random() * 12), "exp_year": 2031,
         "country": "US", "fingerprint": m.token(16), "funding": "credit",
         "last4": f"{int(m.rng.random() * 1e4):04d}",
         "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
         "networks": {"available": ["visa"], "preferred": None}, "wallet": None}
        if card
        else {"bank_code": "37040044", "branch_code": "", "country": "DE", "fingerprint": m.token(16),
            "last4": "3000"}
    )
    return {
        **m.common("payment_method"), "allow_redisplay": "unspecified",
        "billing_details": {"address": m.address(), "email": None, "name": m.person(), "phone": None},
        "customer": m.ref("customer"), "type": kind, kind: details,
    }
