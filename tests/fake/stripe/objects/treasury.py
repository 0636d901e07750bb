"""Money kept for others."""

from __future__ import annotations

from typing import Any

from .maker import DAY, Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def treasury_financial_account(m: Maker) -> dict[str, Any]:
    return {
        **m.common("treasury.financial_account"), "active_features": ["inbound_transfers.ach"],
        "country": "US",
        "balance": {"cash": {"usd": 0}, "inbound_pending": {"usd": 0}, "outbound_pending": {"usd": 0}},
        "financial_addresses": [], "pending_features": [], "platform_restrictions": None,
        "restricted_features": [], "status": "open", "status_details": {"closed": None},
        "supported_currencies": ["usd"],
    }


def _flow(m: Maker, object: str, status: str) -> dict[str, Any]:
    return {
        **m.common(object), "amount": m.amount(), "currency": "usd", "description": m.words(),
        "financial_account": m.parent, "hosted_regulatory_receipt_url": None, "status": status,
        "status_transitions": {"posted_at": m.created}, "transaction": None,
    }


def treasury_credit_reversal(m: Maker) -> dict[str, Any]:
    return {**_flow(m, "treasury.credit_reversal", "posted"), "network": "ach", "received_credit": None}


def treasury_debit_reversal(m: Maker) -> dict[str, Any]:
    return {**_flow(m, "treasury.debit_reversal", "succeeded"), "linked_flows": None, "network": "ach",
            "received_debit": None}


def treasury_inbound_transfer(m: Maker) -> dict[str, Any]:
    return {**_flow(m, "treasury.inbound_transfer", m.pick(("processing", "succeeded"))), "cancelable": False,
            "failure_details": None, "linked_flows": {"received_debit": None}, "returned": False,
            "origin_payment_method": m.ref("payment_method"), "statement_descriptor": "transfer"}


def treasury_outbound_payment(m: Maker) -> dict[str, Any]:
    return {**_flow(m, "treasury.outbound_payment", m.pick(("processing", "posted"))), "cancelable": False,
            "customer": m.ref("customer"), "expected_arrival_date": m.created + 3 * DAY,
            "statement_descriptor": "payment", **nulls("destination_payment_method end_user_details "
                                                       "destination_payment_method_details returned_details")}


def treasury_outbound_transfer(m: Maker) -> dict[str, Any]:
    return {**_flow(m, "treasury.outbound_transfer", m.pick(("processing", "posted"))), "cancelable": False,
            "expected_arrival_date": m.created + 3 * DAY, "statement_descriptor": "transfer",
            **nulls("destination_payment_method returned_details")}


def _received(m: Maker, object: str) -> dict[str, Any]:
    members = _flow(m, object, "succeeded")
    for name in ("metadata", "status_transitions"):
        del members[name]
    return {**members, "failure_code": None, "initiating_payment_method_details": {"type": "us_bank_account"},
            "linked_flows": nulls("credit_reversal issuing_authorization source_flow"), "network": "ach",
            "reversal_details": None}


def treasury_received_credit(m: Maker) -> dict[str, Any]:
    return _received(m, "treasury.received_credit")


def treasury_received_debit(m: Maker) -> dict[str, Any]:
    return _received(m, "treasury.received_debit")


def _impact() -> dict[str, int]:
    return {"cash": 0, "inbound_pending": 0, "outbound_pending": 0}


def treasury_transaction(m: Maker) -> dict[str, Any]:
    return {
        **m.common("treasury.transaction", metadata=False), "amount": m.amount(), "balance_impact": _impact(),
        "currency": "usd", "description": m.words(), "financial_account": m.parent, "flow": None,
        "flow_details": None, "flow_type": "other", "status": "posted",
        "status_transitions": {"posted_at": m.created, "void_at": None},
    }


def treasury_transaction_entry(m: Maker) -> dict[str, Any]:
    return {
        **m.common("treasury.transaction_entry", metadata=False), "balance_impact": _impact(),
        "currency": "usd",
        "effective_at": m.created, "financial_account": m.parent, "flow": None, "flow_details": None,
        "flow_type": "other", "transaction": m.ref("treasury_transaction"), "type": "other",
    }
