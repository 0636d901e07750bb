"""Subscriptions, invoices, and the papers around them."""

from __future__ import annotations

from typing import Any

from .maker import DAY, Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def _automatic_tax() -> dict[str, Any]:
    return {"enabled": False, "liability": None, "status": None}


def subscription(m: Maker) -> dict[str, Any]:
    status = m.rng.choices(("active", "trialing", "past_due", "canceled", "paused"), (70, 8, 5, 12, 5))[0]
    ended = m.created + 20 * DAY if status == "canceled" else None
    return {
        **m.common("subscription"), "automatic_tax": {"enabled": False, "liability": None},
        "billing_cycle_anchor": m.created, "cancel_at_period_end": False, "canceled_at": ended,
        "cancellation_details": nulls("comment feedback reason"), "collection_method": "charge_automatically",
        "currency": "usd", "current_period_end": m.created + 30 * DAY, "current_period_start": m.created,
        "customer": m.ref("customer"), "default_tax_rates": [], "discounts": [], "ended_at": ended,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "payment_settings": nulls("payment_method_options payment_method_types save_default_payment_method"),
        "start_date": m.created, "status": status,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        **nulls("application application_fee_percent billing_cycle_anchor_config billing_thresholds "
                "cancel_at days_until_due default_payment_method default_source description discount "
                "latest_invoice next_pending_invoice_item_invoice on_behalf_of pause_collection "
                "pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock "
                "transfer_data trial_end trial_start"),
    }


def subscription_item(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "subscription_item", "billing_thresholds": None, "created": m.created,
        "discounts": [],
        "metadata": m.metadata(), "price": m.some("price"), "quantity": 1 + int(m.rng.random() * 5),
        "subscription": m.parent, "tax_rates": [],
    }


def subscription_schedule(m: Maker) -> dict[str, Any]:
    return {
        **m.common("subscription_schedule"), "customer": m.ref("customer"),
        "current_phase": {"end_date": m.created + 90 * DAY, "start_date": m.created},
        "default_settings": {"billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically"},
        "end_behavior": "release", "status": "active", "subscription": m.ref("subscription"),
        "phases": [{"start_date": m.created, "end_date": m.created + 90 * DAY, "items": []}],
        **nulls("application canceled_at completed_at released_at released_subscription test_clock"),
    }


def invoice(m: Maker) -> dict[str, Any]:
    status = m.rng.choices(("draft", "open", "paid", "uncollectible", "void"), (10, 15, 65, 4, 6))[0]
    amount = m.amount()
    paid = status == "paid"
    buyer = m.some("customer")
    return {
        **m.common("invoice"), "account_country": "US", "account_name": "Example", "amount_due": amount,
        "amount_paid": amount if paid else 0, "amount_remaining": 0 if paid else amount, "amount_shipping": 0,
        "attempt_count": int(paid), "attempted": paid, "auto_advance": status == "draft",
        "automatic_tax": _automatic_tax(), "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically", "currency": "usd", "customer": buyer["id"],
        "customer_address": buyer.get("address"), "customer_email": buyer.get("email"),
        "customer_name": buyer.get("name"), "customer_phone": buyer.get("phone"),
        "customer_tax_exempt": "none",
        "customer_tax_ids": [], "default_tax_rates": [], "discounts": [], "effective_at": m.created,
        "hosted_invoice_url": f"https://invoice.example.com/{m.id}", "issuer": {"type": "self"},
        "number": None if status == "draft" else f"{m.id[-8:].upper()}-0001", "paid": paid,
        "paid_out_of_band": False, "payment_settings": nulls("default_mandate payment_method_options "
                                                             "payment_method_types"),
        "period_end": m.created, "period_start": m.created - 30 * DAY, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "starting_balance": 0, "status": status,
        "status_transitions": {
            "finalized_at": None if status == "draft" else m.created, "marked_uncollectible_at": None,
            "paid_at": m.created if paid else None, "voided_at": None,
        },
        "subscription": m.ref("subscription") if m.chance(0.7) else None,
        "subscription_details": {"metadata": {}}, "subtotal": amount, "subtotal_excluding_tax": amount,
        "total": amount, "total_discount_amounts": [], "total_excluding_tax": amount, "total_tax_amounts": [],
        **nulls("account_tax_ids application application_fee_amount charge custom_fields customer_shipping "
                "default_payment_method default_source description discount due_date ending_balance footer "
                "from_invoice invoice_pdf last_finalization_error latest_revision next_payment_attempt "
                "on_behalf_of payment_intent quote receipt_number rendering shipping_cost shipping_details "
                "statement_descriptor tax test_clock transfer_data webhooks_delivered_at"),
    }


def invoice_line_item(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    return {
        "id": m.id, "object": "line_item", "amount": amount, "amount_excluding_tax": amount,
        "currency": "usd",
        "description": m.words(4), "discount_amounts": [], "discountable": True, "discounts": [],
        "invoice": m.parent, "livemode": False, "metadata": {},
        "period": {"end": m.created, "start": m.created - 30 * DAY}, "price": m.some("price"),
        "proration": False,
        "proration_details": {"credited_items": None}, "quantity": 1, "subscription": None, "tax_amounts": [],
        "tax_rates": [], "type": "invoiceitem", "unit_amount_excluding_tax": str(amount),
    }


def invoice_item(m: Maker) -> dict[str, Any]:
    """Has `date` and no `created`."""
    amount = m.amount()
    return {
        "id": m.id, "object": "invoiceitem", "amount": amount, "currency": "usd",
        "customer": m.ref("customer"),
        "date": m.created, "description": m.words(3), "discountable": True, "discounts": [],
        "invoice": m.ref("invoice") if m.chance(0.7) else None, "livemode": False, "metadata": m.metadata(),
        "period": {"end": m.created, "start": m.created}, "price": m.some("price"), "proration": False,
        "quantity": 1, "subscription": None, "tax_rates": [], "test_clock": None, "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def credit_note(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    origin = m.some("invoice")
    return {
        **m.common("credit_note"), "amount": amount, "amount_shipping": 0, "currency": "usd",
        "customer": origin.get("customer"), "discount_amount": 0, "discount_amounts": [],
        "effective_at": m.created,
        "invoice": origin["id"], "memo": None, "number": f"{m.id[-8:].upper()}-CN-01",
        "pdf": f"https://pay.example.com/{m.id}", "reason": "duplicate", "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount, "tax_amounts": [], "total": amount, "total_excluding_tax": amount,
        "type": "post_payment", "voided_at": None,
        **nulls("customer_balance_transaction out_of_band_amount refund shipping_cost"),
    }


def credit_note_line_item(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    return {
        "id": m.id, "object": "credit_note_line_item", "amount": amount, "amount_excluding_tax": amount,
        "description": m.words(3), "discount_amount": 0, "discount_amounts": [], "livemode": False,
        "quantity": 1,
        "tax_amounts": [], "tax_rates": [], "type": "custom_line_item", "unit_amount": amount,
        "unit_amount_decimal": str(amount), "unit_amount_excluding_tax": str(amount),
    }


def quote(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    status = m.pick(("draft", "open", "accepted", "canceled"))
    return {
        **m.common("quote"), "amount_subtotal": amount, "amount_total": amount,
        "automatic_tax": _automatic_tax(),
        "collection_method": "charge_automatically", "computed": {"recurring": None, "upfront": {
            "amount_subtotal": amount, "amount_total": amount}}, "currency": "usd",
            "customer": m.ref("customer"),
        "default_tax_rates": [], "discounts": [], "expires_at": m.created + 30 * DAY,
        "invoice_settings": {"days_until_due": None, "issuer": {"type": "self"}},
        "number": None if status == "draft" else f"QT-{m.id[-8:].upper()}-0001-1", "status": status,
        "status_transitions": nulls("accepted_at canceled_at finalized_at"),
        "subscription_data": nulls("description effective_date trial_period_days"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        **nulls("application application_fee_amount application_fee_percent description footer from_quote "
                "header invoice on_behalf_of subscription subscription_schedule test_clock transfer_data"),
    }


def line_of(m: Maker) -> dict[str, Any]:
    """An `item`: it does not say to what it belongs."""
    amount = m.amount()
    return {
        "id": m.id, "object": "item", "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
        "amount_total": amount, "currency": "usd", "description": m.words(), "price": m.some("price"),
        "quantity": 1,
    }


quote_line_item = payment_link_line_item = checkout_session_line_item = line_of


def billing_meter(m: Maker) -> dict[str, Any]:
    return {
        **m.common("billing.meter", metadata=False), "customer_mapping": {
            "event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": "sum"}, "display_name": m.words(),
        "event_name": f"calls_{m.token(6)}",
        "event_time_window": None, "status": m.pick(("active", "inactive")),
        "status_transitions": {"deactivated_at": None}, "updated": m.created,
        "value_settings": {"event_payload_key": "value"},
    }


def billing_portal_configuration(m: Maker) -> dict[str, Any]:
    return {
        **m.common("billing_portal.configuration"), "active": True, "application": None,
        "business_profile": nulls("headline privacy_policy_url terms_of_service_url"),
        "default_return_url": None,
        "features": {"invoice_history": {"enabled": True}, "payment_method_update": {"enabled": True}},
        "is_default": False, "login_page": {"enabled": False, "url": None}, "updated": m.created,
    }
