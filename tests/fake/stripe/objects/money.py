"""Money that moves between balances, banks and accounts."""

from __future__ import annotations

from typing import Any

from .maker import DAY, Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def balance_transaction(m: Maker) -> dict[str, Any]:
    amount = m.amount()
    fee = amount * 29 // 1000 + 30
    return {
        "id": m.id, "object": "balance_transaction", "amount": amount, "available_on": m.created + 2 * DAY,
        "created": m.created, "currency": "usd", "description": None, "exchange_rate": None, "fee": fee,
        "fee_details": [{"amount": fee, "application": None, "currency": "usd", "description": "fees",
                         "type": "stripe_fee"}],
        "net": amount - fee, "reporting_category": "charge", "source": m.ref("charge"),
        "status": m.pick(("available", "pending")), "type": "charge",
    }


def payout(m: Maker) -> dict[str, Any]:
    return {
        **m.common("payout"), "amount": m.amount(), "arrival_date": m.created // DAY * DAY + 2 * DAY,
        "automatic": True, "balance_transaction": m.ref("balance_transaction"), "currency": "usd",
        "description": "STRIPE PAYOUT", "destination": f"ba_{m.token()}", "method": "standard",
        "reconciliation_status": "completed", "source_type": "card",
        "status": m.pick(("paid", "pending", "in_transit", "failed")), "type": "bank_account",
        **nulls("application_fee application_fee_amount failure_balance_transaction failure_code "
                "failure_message original_payout reversed_by statement_descriptor"),
    }


def transfer(m: Maker) -> dict[str, Any]:
    return {
        **m.common("transfer"), "amount": m.amount(), "amount_reversed": 0,
        "balance_transaction": m.ref("balance_transaction"), "currency": "usd", "description": None,
        "destination": m.ref("account"), "destination_payment": f"py_{m.token()}", "reversed": False,
        "source_transaction": m.ref("charge"), "source_type": "card", "transfer_group": f"ORDER{m.token(4)}",
    }


def transfer_reversal(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "transfer_reversal", "amount": m.amount(), "balance_transaction": None,
        "created": m.created, "currency": "usd", "destination_payment_refund": None, "metadata": m.metadata(),
        "source_refund": None, "transfer": m.parent,
    }


def topup(m: Maker) -> dict[str, Any]:
    return {
        **m.common("topup"), "amount": m.amount(), "balance_transaction": None, "currency": "usd",
        "description": m.words(), "expected_availability_date": m.created + 5 * DAY, "status": "pending",
        **nulls("failure_code failure_message source statement_descriptor transfer_group"),
    }


def application_fee(m: Maker) -> dict[str, Any]:
    return {
        **m.common("application_fee", metadata=False), "account": m.ref("account"), "amount": m.amount(),
        "amount_refunded": 0, "application": f"ca_{m.token()}",
        "balance_transaction": m.ref("balance_transaction"),
        "charge": m.ref("charge"), "currency": "usd", "fee_source": None, "originating_transaction": None,
        "refunded": False,
    }


def application_fee_refund(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "fee_refund", "amount": m.amount(), "balance_transaction": None,
        "created": m.created,
        "currency": "usd", "fee": m.parent, "metadata": m.metadata(),
    }
