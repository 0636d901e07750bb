"""Payments, their attempts, and what goes wrong with them."""

from __future__ import annotations

from typing import Any

from .maker import DAY, Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def payment_intent(m: Maker) -> dict[str, Any]:
    status = m.rng.choices(("succeeded", "canceled", "requires_payment_method", "processing"),
        (80, 6, 10, 4))[0]
    amount = m.amount()
    return {
        **m.common("payment_intent"), "amount": amount, "amount_capturable": 0, "amount_details": {"tip": {}},
        "amount_received": amount if status == "succeeded" else 0, "automatic_payment_methods": None,
        "canceled_at": m.created if status == "canceled" else None, "capture_method": "automatic",
        "client_secret": f"{m.id}_secret_{m.token()}", "confirmation_method": "automatic",
        "currency": m.pick(("usd", "eur")), "customer": m.ref("customer") if m.chance(0.8) else None,
        "invoice": m.ref("invoice") if m.chance(0.4) else None, "payment_method": m.ref("payment_method"),
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"], "status": status,
        **nulls("application application_fee_amount cancellation_reason description last_payment_error "
                "latest_charge next_action on_behalf_of payment_method_configuration_details processing "
                "receipt_email review setup_future_usage shipping source statement_descriptor "
                "statement_descriptor_suffix transfer_data transfer_group"),
    }


def setup_intent(m: Maker) -> dict[str, Any]:
    return {
        **m.common("setup_intent"), "attach_to_self": False, "client_secret": f"{m.id}_secret_{m.token()}",
        "customer": m.ref("customer"), "payment_method": m.ref("payment_method"),
        "payment_method_types": ["card"],
        "status": m.pick(("succeeded", "requires_payment_method", "canceled")),
        "usage": "off_session",
        **nulls("application automatic_payment_methods cancellation_reason description flow_directions "
                "last_setup_error latest_attempt mandate next_action on_behalf_of "
                "payment_method_configuration_details payment_method_options single_use_mandate"),
    }


def setup_attempt(m: Maker) -> dict[str, Any]:
    above = m.account.get("setup_intent", m.parent or "")
    intent = above.document() if above else {}
    return {
        **m.common("setup_attempt", metadata=False), "application": None, "customer": intent.get("customer"),
        "flow_directions": None, "on_behalf_of": None, "payment_method": intent.get("payment_method"),
        "payment_method_details": {"card": {"three_d_secure": None}, "type": "card"}, "setup_error": None,
        "setup_intent": m.parent, "status": "succeeded", "usage": "off_session",
    }


def charge(m: Maker) -> dict[str, Any]:
    intent = m.some("payment_intent")
    amount = intent.get("amount") or m.amount()
    status = m.rng.choices(("succeeded", "failed", "pending"), (88, 9, 3))[0]
    paid = status == "succeeded"
    return {
        **m.common("charge"), "amount": amount, "amount_captured": amount if paid else 0,
        "amount_refunded": 0,
        "billing_details": {"address": m.address(), "email": None, "name": m.person(), "phone": None},
        "calculated_statement_descriptor": "EXAMPLE", "captured": paid,
        "currency": intent.get("currency", "usd"),
        "customer": intent.get("customer"), "disputed": False,
        "failure_code": None if paid else "card_declined",
        "failure_message": None if paid else "declined", "fraud_details": {},
        "invoice": intent.get("invoice"),
        "outcome": {"network_status": "approved_by_network", "reason": None, "risk_level": "normal",
                    "risk_score": int(m.rng.random() * 80), "seller_message": "Complete",
                    "type": "authorized"},
        "paid": paid, "payment_intent": intent["id"], "payment_method": intent.get("payment_method"),
        "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
        "radar_options": {}, "refunded": False, "status": status,
        **nulls("application application_fee application_fee_amount balance_transaction description "
                "destination failure_balance_transaction on_behalf_of receipt_email receipt_number "
                "receipt_url review shipping source source_transfer statement_descriptor "
                "statement_descriptor_suffix transfer_data transfer_group"),
    }


def refund(m: Maker) -> dict[str, Any]:
    origin = m.some("charge")
    return {
        "id": m.id, "object": "refund", "amount": origin.get("amount", 0), "balance_transaction": None,
        "charge": origin["id"], "created": m.created, "currency": origin.get("currency", "usd"),
        "destination_details": {"card": {"type": "refund"}, "type": "card"}, "metadata": m.metadata(),
        "payment_intent": origin.get("payment_intent"), "reason": m.pick((None, "duplicate", "fraudulent")),
        "receipt_number": None, "source_transfer_reversal": None, "status": m.pick(("succeeded", "pending")),
        "transfer_reversal": None,
    }


def dispute(m: Maker) -> dict[str, Any]:
    origin = m.some("charge")
    return {
        **m.common("dispute"), "amount": origin.get("amount", 0), "balance_transactions": [],
        "charge": origin["id"],
        "currency": "usd", "evidence": nulls("access_activity_log billing_address customer_name"),
        "evidence_details": {"due_by": m.created + 14 * DAY, "has_evidence": False, "past_due": False,
                             "submission_count": 0},
        "is_charge_refundable": True, "payment_intent": origin.get("payment_intent"), "reason": "fraudulent",
        "status": m.pick(("needs_response", "won", "lost")),
    }


def payment_link(m: Maker) -> dict[str, Any]:
    """Has no `created`."""
    return {
        "id": m.id, "object": "payment_link", "active": m.chance(0.8),
        "after_completion": {"hosted_confirmation": {"custom_message": None}, "type": "hosted_confirmation"},
        "allow_promotion_codes": False, "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto", "currency": "usd", "custom_fields": [], "custom_text": {},
        "customer_creation": "if_required", "livemode": False, "metadata": m.metadata(),
        "payment_method_collection": "always", "phone_number_collection": {"enabled": False},
        "shipping_options": [], "submit_type": "auto", "tax_id_collection": {"enabled": False},
        "url": f"https://buy.example.com/{m.id}",
        **nulls("application application_fee_amount application_fee_percent consent_collection "
                "inactive_message invoice_creation on_behalf_of payment_intent_data payment_method_types "
                "restrictions shipping_address_collection subscription_data transfer_data"),
    }


def checkout_session(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    status = m.pick(("complete", "complete", "expired", "open"))
    return {
        **m.common("checkout.session"), "amount_subtotal": amount, "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "status": None}, "currency": "usd",
        "custom_fields": [], "custom_text": {}, "customer": m.ref("customer"),
        "customer_details": {"email": f"buyer-{m.id[-6:].lower()}@example.com", "name": m.person()},
        "expires_at": m.created + DAY, "mode": "payment", "payment_intent": m.ref("payment_intent"),
        "payment_method_types": ["card"], "payment_status": "paid" if status == "complete" else "unpaid",
        "phone_number_collection": {"enabled": False}, "shipping_options": [], "status": status,
        "success_url": "https://example.com/thanks", "total_details": {"amount_discount": 0, "amount_tax": 0},
        **nulls("after_expiration allow_promotion_codes billing_address_collection cancel_url "
                "client_reference_id client_secret consent consent_collection currency_conversion "
                "customer_creation customer_email invoice invoice_creation locale payment_link "
                "payment_method_collection recovered_from setup_intent shipping_address_collection "
                "shipping_cost shipping_details submit_type subscription url"),
    }


def radar_early_fraud_warning(m: Maker) -> dict[str, Any]:
    origin = m.some("charge")
    return {
        **m.common("radar.early_fraud_warning", metadata=False), "actionable": True, "charge": origin["id"],
        "fraud_type": "made_with_stolen_card", "payment_intent": origin.get("payment_intent"),
    }


def review(m: Maker) -> dict[str, Any]:
    origin = m.some("charge")
    return {
        **m.common("review", metadata=False), "billing_zip": None, "charge": origin["id"],
        "closed_reason": None,
        "ip_address": None, "ip_address_location": None, "open": True, "opened_reason": "rule",
        "payment_intent": origin.get("payment_intent"), "reason": "rule", "session": None,
    }


def radar_value_list(m: Maker) -> dict[str, Any]:
    return {
        **m.common("radar.value_list"), "alias": f"list_{m.token(8)}", "created_by": "owner@example.com",
        "item_type": "email", "name": m.words(),
    }


def radar_value_list_item(m: Maker) -> dict[str, Any]:
    return {
        **m.common("radar.value_list_item", metadata=False), "created_by": "owner@example.com",
        "value": f"{m.token(8).lower()}@example.com", "value_list": m.parent,
    }
