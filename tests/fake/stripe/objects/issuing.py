"""Cards that the account issues."""

from __future__ import annotations

from typing import Any

from .maker import Maker, nulls

LIMITS = {"allowed_categories": None, "blocked_categories": None, "spending_limits": []}

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def issuing_cardholder(m: Maker) -> dict[str, Any]:
    return {
        **m.common("issuing.cardholder"), "billing": {"address": m.address()}, "company": None,
        "email": f"holder-{m.id[-6:].lower()}@example.com", "individual": None, "name": m.person(),
        "phone_number": None, "preferred_locales": [],
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": LIMITS, "status": m.pick(("active", "inactive")), "type": "individual",
    }


def issuing_card(m: Maker) -> dict[str, Any]:
    """Carries its cardholder whole, as the API does."""
    return {
        **m.common("issuing.card"), "brand": "Visa", "cardholder": m.some("issuing_cardholder"),
        "currency": "usd",
        "exp_month": 1 + int(m.rng.random() * 12), "exp_year": 2030,
        "last4": f"{int(m.rng.random() * 1e4):04d}",
        "spending_controls": LIMITS, "status": m.pick(("active", "inactive", "canceled")), "type": "virtual",
        **nulls("cancellation_reason financial_account personalization_design replaced_by replacement_for "
                "replacement_reason shipping wallets"),
    }


def _merchant(m: Maker) -> dict[str, Any]:
    return {"category": "computer_software_stores", "category_code": "5734", "city": "Berlin",
        "country": "DE",
            "name": m.words().upper(), "network_id": m.token(10), "postal_code": "10115", "state": None}


def issuing_authorization(m: Maker) -> dict[str, Any]:
    card = m.some("issuing_card")
    amount = m.amount()
    return {
        **m.common("issuing.authorization"), "amount": amount, "amount_details": None,
        "approved": m.chance(0.9),
        "authorization_method": "online", "balance_transactions": [], "card": card,
        "cardholder": (card.get("cardholder") or {}).get("id"), "currency": "usd", "merchant_amount": amount,
        "merchant_currency": "usd", "merchant_data": _merchant(m), "request_history": [],
        "status": m.pick(("closed", "pending", "reversed")), "transactions": [],
        "verification_data": {"cvc_check": "match", "expiry_check": "match"},
        **nulls("network_data pending_request token treasury wallet"),
    }


def issuing_transaction(m: Maker) -> dict[str, Any]:
    origin = m.some("issuing_authorization")
    amount = -m.amount()
    return {
        **m.common("issuing.transaction"), "amount": amount, "authorization": origin["id"],
        "card": (origin.get("card") or {}).get("id"), "cardholder": origin.get("cardholder"),
        "currency": "usd",
        "merchant_amount": amount, "merchant_currency": "usd", "merchant_data": _merchant(m),
        "type": "capture",
        **nulls("amount_details balance_transaction dispute network_data purchase_details token treasury "
                "wallet"),
    }


def issuing_dispute(m: Maker) -> dict[str, Any]:
    return {
        **m.common("issuing.dispute"), "amount": m.amount(), "balance_transactions": [], "currency": "usd",
        "evidence": {"canceled": {"reason": None}, "reason": "canceled"}, "status": "unsubmitted",
        "transaction": m.ref("issuing_transaction"),
    }


def issuing_token(m: Maker) -> dict[str, Any]:
    return {
        **m.common("issuing.token", metadata=False), "card": m.parent, "device_fingerprint": m.token(16),
        "last4": "4242", "network": "visa", "network_updated_at": m.created, "status": "active",
        "wallet_provider": "apple_pay",
    }


def issuing_physical_bundle(m: Maker) -> dict[str, Any]:
    """Has no `created`."""
    features = {"card_logo": "optional", "carrier_text": "optional", "second_line": "optional"}
    return {
        "id": m.id, "object": "issuing.physical_bundle", "features": features, "livemode": False,
        "name": m.words(),
        "status": "active", "type": "standard",
    }


def issuing_personalization_design(m: Maker) -> dict[str, Any]:
    return {
        **m.common("issuing.personalization_design"), "card_logo": None, "carrier_text": None,
        "lookup_key": None,
        "name": m.words(), "physical_bundle": m.ref("issuing_physical_bundle"),
        "preferences": {"is_default": False, "is_platform_default": None},
        "rejection_reasons": {"card_logo": None, "carrier_text": None}, "status": "active",
    }
