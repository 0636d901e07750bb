"""Parameters of the write endpoints.

Facts from Stripe's OpenAPI document of 2024-04-10. A name's suffix is its type: none string, # integer,
? boolean,
. number, {} hash, [] list, ~ several. `*` before it: required. `expand[]` goes with every one.
"""

from __future__ import annotations

# fmt: off
# A table of words; the formatter would make columns of it.
WRITES: dict[str, tuple[str, str]] = {
    # collection: (create, update); an empty string: the API can't.
    "customer": (
        "address~ balance# cash_balance{} coupon description email invoice_prefix invoice_settings{} "
        "metadata~ name next_invoice_sequence# payment_method phone preferred_locales[] promotion_code "
        "shipping~ source tax{} tax_exempt tax_id_data[] test_clock",
        "address~ balance# bank_account~ card~ cash_balance{} coupon default_source description email "
        "invoice_prefix invoice_settings{} metadata~ name next_invoice_sequence# phone preferred_locales[] "
        "promotion_code shipping~ source tax{} tax_exempt",
    ),
    "product": (
        "active? default_price_data{} description id images[] marketing_features[] metadata{} *name "
        "package_dimensions{} shippable? statement_descriptor tax_code unit_label url",
        "active? default_price description~ images~ marketing_features~ metadata~ name package_dimensions~ "
        "shippable? statement_descriptor tax_code~ unit_label~ url~",
    ),
    "price": (
        "active? billing_scheme *currency currency_options{} custom_unit_amount{} lookup_key metadata{} "
        "nickname product product_data{} recurring{} tax_behavior tiers[] tiers_mode transfer_lookup_key? "
        "transform_quantity{} unit_amount# unit_amount_decimal",
        "active? currency_options~ lookup_key metadata~ nickname tax_behavior transfer_lookup_key?",
    ),
    "plan": (
        "active? aggregate_usage amount# amount_decimal billing_scheme *currency id *interval "
        "interval_count# metadata~ meter nickname product~ tiers[] tiers_mode transform_usage{} "
        "trial_period_days# usage_type",
        "active? metadata~ nickname product trial_period_days#",
    ),
    "coupon": (
        "amount_off# applies_to{} currency currency_options{} duration duration_in_months# id "
        "max_redemptions# metadata~ name percent_off. redeem_by#",
        "currency_options{} metadata~ name",
    ),
    "promotion_code": (
        "active? code *coupon customer expires_at# max_redemptions# metadata{} restrictions{}",
        "active? metadata~ restrictions{}",
    ),
    "tax_rate": (
        "active? country description *display_name *inclusive? jurisdiction metadata{} *percentage. state "
        "tax_type",
        "active? country description display_name jurisdiction metadata~ state tax_type",
    ),
    "shipping_rate": (
        "delivery_estimate{} *display_name fixed_amount{} metadata{} tax_behavior tax_code type",
        "active? fixed_amount{} metadata~ tax_behavior",
    ),
    "subscription": (
        "add_invoice_items[] application_fee_percent~ automatic_tax{} backdate_start_date# "
        "billing_cycle_anchor# billing_cycle_anchor_config{} billing_thresholds~ cancel_at# "
        "cancel_at_period_end? collection_method coupon currency *customer days_until_due# "
        "default_payment_method default_source default_tax_rates~ description discounts~ invoice_settings{} "
        "items[] metadata~ off_session? on_behalf_of~ payment_behavior payment_settings{} "
        "pending_invoice_item_interval~ promotion_code proration_behavior transfer_data{} trial_end~ "
        "trial_from_plan? trial_period_days# trial_settings{}",
        "add_invoice_items[] application_fee_percent~ automatic_tax{} billing_cycle_anchor "
        "billing_thresholds~ cancel_at~ cancel_at_period_end? cancellation_details{} collection_method "
        "coupon days_until_due# default_payment_method default_source~ default_tax_rates~ description~ "
        "discounts~ invoice_settings{} items[] metadata~ off_session? on_behalf_of~ pause_collection~ "
        "payment_behavior payment_settings{} pending_invoice_item_interval~ promotion_code "
        "proration_behavior proration_date# transfer_data~ trial_end~ trial_from_plan? trial_settings{}",
    ),
    "subscription_item": (
        "billing_thresholds~ discounts~ metadata{} payment_behavior price price_data{} proration_behavior "
        "proration_date# quantity# *subscription tax_rates~",
        "billing_thresholds~ discounts~ metadata~ off_session? payment_behavior price price_data{} "
        "proration_behavior proration_date# quantity# tax_rates~",
    ),
    "invoice": (
        "account_tax_ids~ application_fee_amount# auto_advance? automatic_tax{} collection_method currency "
        "custom_fields~ customer days_until_due# default_payment_method default_source default_tax_rates[] "
        "description discounts~ due_date# effective_at# footer from_invoice{} issuer{} metadata~ number "
        "on_behalf_of payment_settings{} pending_invoice_items_behavior rendering{} shipping_cost{} "
        "shipping_details{} statement_descriptor subscription transfer_data{}",
        "account_tax_ids~ application_fee_amount# auto_advance? automatic_tax{} collection_method "
        "custom_fields~ days_until_due# default_payment_method default_source~ default_tax_rates~ "
        "description discounts~ due_date# effective_at~ footer issuer{} metadata~ number~ on_behalf_of~ "
        "payment_settings{} rendering{} shipping_cost~ shipping_details~ statement_descriptor transfer_data~",
    ),
    "invoice_item": (
        "amount# currency *customer description discountable? discounts~ invoice metadata~ period{} price "
        "price_data{} quantity# subscription tax_behavior tax_code~ tax_rates[] unit_amount# "
        "unit_amount_decimal",
        "amount# description discountable? discounts~ metadata~ period{} price price_data{} quantity# "
        "tax_behavior tax_code~ tax_rates~ unit_amount# unit_amount_decimal",
    ),
    "tax_id": ("*type *value", ""),
    "customer_balance_transaction": ("*amount# *currency description metadata~", "description metadata~"),
    "payment_method": (
        "allow_redisplay billing_details{} card~ customer link{} metadata{} payment_method radar_options{} "
        "sepa_debit{} type us_bank_account{}",
        "allow_redisplay billing_details{} card{} link{} metadata~ us_bank_account{}",
    ),
    "payment_intent": (
        "*amount# application_fee_amount# automatic_payment_methods{} capture_method confirm? "
        "confirmation_method confirmation_token *currency customer description error_on_requires_action? "
        "mandate mandate_data~ metadata{} off_session~ on_behalf_of payment_method "
        "payment_method_configuration payment_method_data{} payment_method_options{} payment_method_types[] "
        "radar_options{} receipt_email return_url setup_future_usage shipping{} statement_descriptor "
        "statement_descriptor_suffix transfer_data{} transfer_group use_stripe_sdk?",
        "amount# application_fee_amount~ capture_method currency customer description metadata~ "
        "payment_method payment_method_configuration payment_method_data{} payment_method_options{} "
        "payment_method_types[] receipt_email~ setup_future_usage shipping~ statement_descriptor "
        "statement_descriptor_suffix transfer_data{} transfer_group",
    ),
    "setup_intent": (
        "attach_to_self? automatic_payment_methods{} confirm? customer description flow_directions[] "
        "mandate_data~ metadata{} on_behalf_of payment_method payment_method_data{} payment_method_options{} "
        "payment_method_types[] return_url single_use{} usage use_stripe_sdk?",
        "attach_to_self? customer description flow_directions[] metadata~ payment_method "
        "payment_method_data{} payment_method_options{} payment_method_types[]",
    ),
    "charge": (
        "amount# application_fee_amount# capture? currency customer description metadata~ on_behalf_of "
        "radar_options{} receipt_email shipping{} source statement_descriptor statement_descriptor_suffix "
        "transfer_data{} transfer_group",
        "customer description fraud_details{} metadata~ receipt_email shipping{} transfer_group",
    ),
    "refund": (
        "amount# charge currency customer instructions_email metadata~ origin payment_intent reason "
        "refund_application_fee? reverse_transfer?",
        "metadata~",
    ),
    "dispute": ("", "evidence{} metadata~ submit?"),
    "credit_note": (
        "amount# credit_amount# effective_at# *invoice lines[] memo metadata{} out_of_band_amount# reason "
        "refund refund_amount# shipping_cost{}",
        "memo metadata{}",
    ),
    "quote": (
        "application_fee_amount~ application_fee_percent~ automatic_tax{} collection_method customer "
        "default_tax_rates~ description~ discounts~ expires_at# footer~ from_quote{} header~ "
        "invoice_settings{} line_items[] metadata{} on_behalf_of~ subscription_data{} test_clock "
        "transfer_data~",
        "application_fee_amount~ application_fee_percent~ automatic_tax{} collection_method customer "
        "default_tax_rates~ description~ discounts~ expires_at# footer~ header~ invoice_settings{} "
        "line_items[] metadata{} on_behalf_of~ subscription_data{} transfer_data~",
    ),
    "payment_link": (
        "after_completion{} allow_promotion_codes? automatic_tax{} billing_address_collection currency "
        "custom_fields[] custom_text{} customer_creation inactive_message *line_items[] metadata{} "
        "on_behalf_of payment_method_collection payment_method_types[] submit_type transfer_data{}",
        "active? after_completion{} allow_promotion_codes? automatic_tax{} billing_address_collection "
        "custom_fields~ custom_text{} customer_creation inactive_message~ line_items[] metadata{} "
        "payment_method_collection payment_method_types~ restrictions~",
    ),
    "checkout_session": (
        "allow_promotion_codes? automatic_tax{} billing_address_collection cancel_url client_reference_id "
        "currency custom_fields[] custom_text{} customer customer_email discounts[] expires_at# line_items[] "
        "locale metadata{} mode payment_method_types[] return_url success_url ui_mode",
        "",
    ),
    "payout": ("*amount# *currency description destination metadata{} method source_type "
               "statement_descriptor",
               "metadata~"),
    "transfer": ("amount# *currency description *destination metadata{} source_transaction source_type "
                 "transfer_group",
                 "description metadata~"),
    "topup": ("*amount# *currency description metadata~ source statement_descriptor transfer_group",
              "description metadata~"),
    "subscription_schedule": (
        "customer default_settings{} end_behavior from_subscription metadata~ phases[] start_date~",
        "default_settings{} end_behavior metadata~ phases[] proration_behavior",
    ),
    "file_link": ("expires_at# *file metadata~", "expires_at~ metadata~"),
    "webhook_endpoint": ("api_version connect? description~ *enabled_events[] metadata~ *url",
                         "description~ disabled? enabled_events[] metadata~ url"),
    "radar_value_list": ("*alias item_type metadata{} *name", "alias metadata{} name"),
    "radar_value_list_item": ("*value *value_list", ""),
    "test_clock": ("*frozen_time# name", ""),
}

# (collection, verb): (statuses it may come from, what it sets, parameters); `now` stands for the time.
ACTIONS: dict[tuple[str, str], tuple[tuple[str, ...], dict[str, object], str]] = {
    ("invoice", "finalize"): (("draft",), {"status": "open", "auto_advance": False}, "auto_advance?"),
    ("invoice", "pay"): (
        ("draft", "open", "uncollectible"), {"status": "paid", "paid": True, "attempted": True},
        "forgive? mandate~ off_session? paid_out_of_band? payment_method source",
    ),
    ("invoice", "void"): (("open", "uncollectible"), {"status": "void"}, ""),
    ("invoice", "mark_uncollectible"): (("open",), {"status": "uncollectible"}, ""),
    ("payment_method", "attach"): ((), {}, "*customer"),
    ("payment_method", "detach"): ((), {"customer": None}, ""),
    ("payment_intent", "cancel"): (
        ("requires_payment_method", "processing", "requires_action"),
        {"status": "canceled", "canceled_at": "now"},
        "cancellation_reason",
    ),
    ("subscription", "resume"): (("paused",), {"status": "active"}, "billing_cycle_anchor "
                                                                    "proration_behavior proration_date#"),
    ("quote", "finalize"): (("draft",), {"status": "open"}, "expires_at#"),
    ("quote", "accept"): (("open",), {"status": "accepted"}, ""),
    ("quote", "cancel"): (("draft", "open"), {"status": "canceled"}, ""),
    ("checkout_session", "expire"): (("open",), {"status": "expired"}, ""),
    ("credit_note", "void"): (("issued",), {"status": "void", "voided_at": "now"}, ""),
    ("payout", "cancel"): (("pending",), {"status": "canceled"}, ""),
    ("subscription_schedule", "cancel"): (("active",), {"status": "canceled", "canceled_at": "now"},
                                          "invoice_now? prorate?"),
}

DELETE_PARAMETERS = {
    "subscription": "cancellation_details{} invoice_now? prorate?",
    "subscription_item": "clear_usage? proration_behavior proration_date#",
}
DELETABLE_BY_API = {
    "account", "external_account", "person", "coupon", "customer", "customer_source", "tax_id",
    "invoice_item", "invoice", "plan",
    "product", "product_feature", "radar_value_list", "radar_value_list_item", "subscription_item",
    "subscription",
    "terminal_configuration", "terminal_location", "terminal_reader", "test_clock", "webhook_endpoint",
    "apple_pay_domain",
}

ADDRESS = {"city", "country", "line1", "line2", "postal_code", "state"}
NESTED: dict[str, set[str]] = {
    "address": ADDRESS,
    "shipping": {"address", "name", "phone", "carrier", "tracking_number"},
    "shipping[address]": ADDRESS,
    "recurring": {"aggregate_usage", "interval", "interval_count", "meter", "trial_period_days",
        "usage_type"},
    "product_data": {"active", "id", "metadata", "name", "statement_descriptor", "tax_code", "unit_label"},
    "invoice_settings": {"custom_fields", "default_payment_method", "footer", "rendering_options",
                         "account_tax_ids", "issuer", "days_until_due"},
    "billing_details": {"address", "email", "name", "phone"},
    "billing_details[address]": ADDRESS,
    "cancellation_details": {"comment", "feedback"},
}
"""Keys that some hashes are limited to; `metadata` takes any, other hashes are not looked into."""
