"""What is sold, for how much, taxed and shipped how."""

from __future__ import annotations

from typing import Any

from .maker import CURRENCIES, DAY, Maker, nulls

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.


def product(m: Maker) -> dict[str, Any]:
    return {
        **m.common("product"), "active": m.chance(0.9), "attributes": [], "default_price": None,
        "description": m.words(6) if m.chance(0.7) else None, "images": [], "marketing_features": [],
        "name": m.words(2).title(), "package_dimensions": None, "shippable": None,
        "statement_descriptor": None,
        "tax_code": None, "type": "service", "unit_label": None, "updated": m.created, "url": None,
    }


def entitlement_feature(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "entitlements.feature", "active": True, "livemode": False,
        "lookup_key": f"{m.pick(('sso', 'audit', 'api'))}-{m.token(6)}", "metadata": {}, "name": m.words(),
    }


def product_feature(m: Maker) -> dict[str, Any]:
    return {
        "id": m.id, "object": "product_feature", "entitlement_feature": m.some("entitlement_feature"),
        "livemode": False,
    }


def price(m: Maker) -> dict[str, Any]:
    recurring = m.overrides.get("recurring", m.chance(0.75))
    amount = m.overrides.get("unit_amount", m.amount())
    return {
        **m.common("price"), "active": m.chance(0.9), "billing_scheme": "per_unit",
        "currency": m.pick(CURRENCIES),
        "custom_unit_amount": None, "lookup_key": f"key_{m.id[-8:]}" if m.chance(0.3) else None,
        "nickname": m.words() if m.chance(0.5) else None, "product": m.ref("product"),
        "recurring": {
            "aggregate_usage": None, "interval": m.pick(("month", "year")), "interval_count": 1,
            "meter": None,
            "trial_period_days": None, "usage_type": "licensed",
        } if recurring else None,
        "tax_behavior": "unspecified", "tiers_mode": None, "transform_quantity": None,
        "type": "recurring" if recurring else "one_time", "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def plan(m: Maker) -> dict[str, Any]:
    """A plan of its own; most plans are the older view of a recurring price (plan_of)."""
    source = price(m)
    source["recurring"] = source["recurring"] or {"interval": "month", "interval_count": 1,
        "usage_type": "licensed"}
    view = plan_of({**source, "type": "recurring"})
    assert view is not None
    return view


def plan_of(price: dict[str, Any]) -> dict[str, Any] | None:
    """The plan that Stripe shows for a recurring price, under the same id."""
    recurring = price.get("recurring")
    if not recurring:
        return None
    return {
        "id": price["id"], "object": "plan", "active": price["active"], "aggregate_usage": None,
        "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"], "created": price["created"], "currency": price["currency"],
        "interval": recurring["interval"], "interval_count": recurring["interval_count"], "livemode": False,
        "metadata": price["metadata"], "meter": None, "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None, "transform_usage": None, "trial_period_days": None,
        "usage_type": recurring.get("usage_type", "licensed"),
    }


def coupon(m: Maker) -> dict[str, Any]:
    duration = m.pick(("forever", "once", "repeating"))
    return {
        **m.common("coupon"), "amount_off": None, "currency": None, "duration": duration,
        "duration_in_months": 3 if duration == "repeating" else None, "max_redemptions": None,
        "name": m.words().title(), "percent_off": m.pick((10, 12.5, 25, 33.33)), "redeem_by": None,
        "times_redeemed": 0, "valid": True,
    }


def promotion_code(m: Maker) -> dict[str, Any]:
    return {
        **m.common("promotion_code"), "active": m.chance(0.8), "code": m.token(8).upper(),
        "coupon": m.some("coupon"),
        "customer": m.ref("customer") if m.chance(0.2) else None, "expires_at": m.created + 90 * DAY,
        "max_redemptions": None, "times_redeemed": 0,
        "restrictions": {"first_time_transaction": False, **nulls("minimum_amount minimum_amount_currency")},
    }


def tax_rate(m: Maker) -> dict[str, Any]:
    percentage = m.pick((7.0, 19.0, 20.0, 8.875))
    return {
        **m.common("tax_rate"), "active": m.chance(0.9), "country": "DE", "description": None,
        "display_name": "VAT",
        "effective_percentage": percentage, "inclusive": m.chance(0.3), "jurisdiction": "DE",
        "jurisdiction_level": "country", "percentage": percentage, "state": None, "tax_type": "vat",
    }


def shipping_rate(m: Maker) -> dict[str, Any]:
    return {
        **m.common("shipping_rate"), "active": m.chance(0.9), "delivery_estimate": None,
        "display_name": m.words(),
        "fixed_amount": {"amount": m.amount(), "currency": m.pick(("usd", "eur"))},
        "tax_behavior": "unspecified",
        "tax_code": None, "type": "fixed_amount",
    }


def tax_code(m: Maker) -> dict[str, Any]:
    return {"id": m.id, "object": "tax_code", "description": m.words(8), "name": m.words(3).title()}


def tax_registration(m: Maker) -> dict[str, Any]:
    return {
        **m.common("tax.registration", metadata=False), "active_from": m.created, "country": "DE",
        "country_options": {"de": {"standard": {"place_of_supply_scheme": "standard"}, "type": "standard"}},
        "expires_at": None, "status": m.pick(("active", "expired", "scheduled")),
    }


def active_entitlement(m: Maker) -> dict[str, Any]:
    """Does not say whose it is, and has no `created`."""
    feature = m.some("entitlement_feature")
    return {
        "id": m.id, "object": "entitlements.active_entitlement", "feature": feature["id"], "livemode": False,
        "lookup_key": feature.get("lookup_key"),
    }
