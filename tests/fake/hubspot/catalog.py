"""The types of records, and what of them a client has to know by heart."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import PORTAL
from .properties import COMMON, Property, parse

STAGES = {
    "deal": "appointmentscheduled|qualifiedtobuy|presentationscheduled|contractsent|closedwon|closedlost",
    "ticket": "1|2|3|4",
}
"""The stages of the pipeline that each portal has, by type of record."""


@dataclass(frozen=True)
class ObjectType:
    """A type of record.

    plural: as it stands in paths, and as the key of associations; id: HubSpot's name of it, as `0-1`.
    created, changed: the properties that have these times. text: the property that a random change changes.
    key: of a custom type, the fully qualified name.
    """

    name: str
    plural: str
    id: str
    count: int
    text: str
    properties: tuple[Property, ...]
    created: str
    changed: str
    mergeable: bool
    required: tuple[str, ...]
    key: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """All that a path can call it."""
        if self.key is None:
            return (self.plural, self.name, self.id)
        # That a custom type has a short name, too, is documented; it stands for the portal of the token.
        return (self.id, self.key, f"p_{self.name}")

    @property
    def family(self) -> str:
        """As scopes name it."""
        return "custom" if self.key else self.plural


def _type(
    name: str,
    plural: str,
    id: str,
    count: int,
    text: str,
    own: str,
    *,
    created: str = "hs_createdate",
    changed: str = "hs_lastmodifieddate",
    mergeable: bool = False,
    required: tuple[str, ...] = (),
    key: str | None = None,
) -> ObjectType:
    properties = parse(f"{created}*= datetime\n{changed}*= datetime\n{COMMON}{own}")
    return ObjectType(name, plural, id, count, text, properties, created, changed, mergeable, required, key)


# Contacts know the time of the others' by name, and have nothing under it: who filters by it finds nothing.
CONTACT = _type(
    "contact", "contacts", "0-1", 300, "jobtitle", """
hs_lastmodifieddate=- datetime
email*! string
firstname* string
lastname* string
jobtitle string
company string
phone string
mobilephone string
website string
address string
city string
state string
zip string
country string
lifecyclestage enumeration subscriber|lead|marketingqualifiedlead|salesqualifiedlead|opportunity|customer
hs_lead_status enumeration NEW|OPEN|IN_PROGRESS|CONNECTED|UNQUALIFIED
hs_email_optout bool
hs_email_domain= string
hs_full_name_or_email= string
hs_searchable_calculated_phone_number=- string
hs_calculated_phone_number=- string
num_associated_deals= number
notes_last_updated= datetime
annualrevenue string
closedate datetime
date_of_birth string
hs_language enumeration de|en|fr|hr|ja|tr
score_custom+ number
renewal_date+ date
favourite_colours+& enumeration red|green|blue|black
member_number+! string
""", created="createdate", changed="lastmodifieddate", mergeable=True,
)  # fmt: skip
COMPANY = _type(
    "company", "companies", "0-2", 120, "description", """
name* string
domain* string
description string
industry enumeration ACCOUNTING|AIRLINES_AVIATION|COMPUTER_SOFTWARE|FOOD_PRODUCTION|RETAIL
type enumeration PROSPECT|PARTNER|RESELLER|VENDOR|OTHER
website string
phone string
address string
city string
state string
zip string
country string
timezone string
numberofemployees number
annualrevenue number
founded_year string
is_public bool
lifecyclestage enumeration subscriber|lead|opportunity|customer|other
hs_num_child_companies= number
hs_parent_company_id= number
hs_target_account_probability=- number
num_associated_contacts= number
customer_since+ date
external_id+! string
""", created="createdate", mergeable=True,
)  # fmt: skip
DEAL = _type(
    "deal", "deals", "0-3", 150, "dealname", f"""
dealname* string
amount* number
closedate* datetime
pipeline* enumeration default
dealstage* enumeration {STAGES["deal"]}
dealtype enumeration newbusiness|existingbusiness
description string
deal_currency_code enumeration EUR|USD|JPY
hs_priority enumeration low|medium|high
hs_forecast_amount= number
hs_deal_stage_probability= number
hs_is_closed= bool
hs_is_closed_won= bool
hs_days_to_close_raw=- number
hs_projected_amount= number
hs_closed_amount=- number
hs_next_step string
num_associated_contacts= number
contract_end+ date
""", created="createdate", mergeable=True,
)  # fmt: skip
TICKET = _type(
    "ticket", "tickets", "0-5", 100, "subject", f"""
subject* string
content* string
hs_pipeline* enumeration 0
hs_pipeline_stage* enumeration {STAGES["ticket"]}
hs_ticket_category* enumeration PRODUCT_ISSUE|BILLING_ISSUE|FEATURE_REQUEST|GENERAL_INQUIRY
hs_ticket_priority* enumeration LOW|MEDIUM|HIGH
source_type enumeration CHAT|EMAIL|FORM|PHONE
closed_date datetime
hs_is_closed= bool
hs_time_to_first_response_sla_status=- enumeration
time_to_close= number
""", created="createdate", mergeable=True,
)  # fmt: skip
LINE_ITEM = _type(
    "line_item", "line_items", "0-8", 150, "name", """
name string
description string
price number
quantity* number
amount* number
discount number
tax number
hs_sku string
hs_product_id number
hs_line_item_currency_code enumeration EUR|USD|JPY
recurringbillingfrequency enumeration monthly|quarterly|annually
hs_recurring_billing_start_date date
hs_acv= number
hs_arr= number
hs_margin=- number
""", created="createdate",
)  # fmt: skip
PRODUCT = _type(
    "product", "products", "0-7", 40, "description", """
name* string
description* string
price* number
hs_sku string
hs_cost_of_goods_sold number
hs_url string
recurringbillingfrequency enumeration monthly|quarterly|annually
hs_active bool
hs_folder_id=- number
""", created="createdate",
)  # fmt: skip
QUOTE = _type(
    "quote", "quotes", "0-14", 40, "hs_title", """
hs_title* string
hs_expiration_date* datetime
hs_status enumeration DRAFT|APPROVAL_NOT_NEEDED|PENDING_APPROVAL|APPROVED|REJECTED
hs_quote_amount= number
hs_currency enumeration EUR|USD|JPY
hs_language enumeration de|en|fr
hs_terms string
hs_comments string
hs_sender_email string
hs_quote_number= string
""",
)  # fmt: skip
CALL = _type(
    "call", "calls", "0-48", 80, "hs_call_title", """
hs_timestamp datetime
hs_call_title string
hs_call_body string
hs_call_direction enumeration INBOUND|OUTBOUND
hs_call_duration number
hs_call_status enumeration COMPLETED|BUSY|NO_ANSWER|FAILED
hs_call_from_number string
hs_call_to_number string
hs_activity_type enumeration
""",
)  # fmt: skip
EMAIL = _type(
    "email", "emails", "0-49", 100, "hs_email_subject", """
hs_timestamp datetime
hs_email_subject string
hs_email_text string
hs_email_html string
hs_email_direction enumeration EMAIL|INCOMING_EMAIL|FORWARDED_EMAIL
hs_email_status enumeration SENT|BOUNCED|FAILED|SCHEDULED
hs_email_headers- string
hs_email_thread_id=- string
""",
)  # fmt: skip
MEETING = _type(
    "meeting", "meetings", "0-47", 60, "hs_meeting_title", """
hs_timestamp datetime
hs_meeting_title string
hs_meeting_body string
hs_meeting_start_time datetime
hs_meeting_end_time datetime
hs_meeting_location string
hs_meeting_outcome enumeration SCHEDULED|COMPLETED|RESCHEDULED|NO_SHOW|CANCELED
hs_internal_meeting_notes string
""",
)  # fmt: skip
NOTE = _type(
    "note", "notes", "0-46", 80, "hs_note_body", """
hs_timestamp datetime
hs_note_body string
hs_attachment_ids string
hs_body_preview= string
""",
)  # fmt: skip
TASK = _type(
    "task", "tasks", "0-27", 80, "hs_task_subject", """
hs_timestamp datetime
hs_task_subject string
hs_task_body string
hs_task_status enumeration NOT_STARTED|IN_PROGRESS|WAITING|COMPLETED|DEFERRED
hs_task_priority enumeration LOW|MEDIUM|HIGH
hs_task_type enumeration EMAIL|CALL|TODO
hs_task_is_overdue= bool
""",
)  # fmt: skip
COMMUNICATION = _type(
    "communication", "communications", "0-18", 40, "hs_communication_body", """
hs_timestamp datetime
hs_communication_body string
hs_communication_channel_type enumeration WHATS_APP|LINKEDIN_MESSAGE|SMS
hs_communication_logged_from enumeration CRM
""",
)  # fmt: skip
POSTAL_MAIL = _type(
    "postal_mail", "postal_mail", "0-116", 20, "hs_postal_mail_body", """
hs_timestamp datetime
hs_postal_mail_body string
""",
)  # fmt: skip

STANDARD = (
    COMPANY, CONTACT, DEAL, TICKET, LINE_ITEM, PRODUCT, QUOTE, CALL, EMAIL, MEETING, NOTE, TASK,
    COMMUNICATION, POSTAL_MAIL,
)  # fmt: skip
"""In the order in which they are filled: what others are associated with comes first."""


def custom(name: str, id: str, own: str, count: int = 0, required: tuple[str, ...] = ()) -> ObjectType:
    """A type of the user's making; `own` are its properties, of which the first is its text."""
    text = own.split()[0].rstrip("*!-=+&")
    return _type(
        name, f"{name}s", id, count, text, own, mergeable=True, required=required, key=f"p{PORTAL}_{name}"
    )


CAR = custom(
    "car",
    "2-12345",
    """
model*+ string
vin*!+ string
mileage+ number
first_registered+ date
electric+ bool
fuel+ enumeration petrol|diesel|battery
""",
    count=60,
    required=("vin",),
)
TYPES = (*STANDARD, CAR)
COUNTED = {each.name: each.count for each in TYPES} | {"owner": 8}
"""What there can be more or less of: collection → how many to begin with."""
DIRECTORY = ("owner", "pipeline", "property", "schema")
"""The collections that are not of records."""

# From one type to another: (type id, label). Where there are two, the first is the primary one's, which has
# the second as well. HubSpot's own, from its documentation.
_BOTH_WAYS: dict[tuple[str, str], tuple[list[int], list[int]]] = {
    ("contact", "company"): ([1, 279], [2, 280]),
    ("deal", "contact"): ([3], [4]),
    ("deal", "company"): ([5, 341], [6, 342]),
    ("ticket", "contact"): ([16], [15]),
    ("ticket", "company"): ([26, 339], [25, 340]),
    ("line_item", "deal"): ([20], [19]),
    ("quote", "deal"): ([64], [63]),
    ("line_item", "quote"): ([68], [67]),
    ("call", "contact"): ([194], [193]),
    ("call", "company"): ([182], [181]),
    ("email", "contact"): ([198], [197]),
    ("email", "company"): ([186], [185]),
    ("meeting", "contact"): ([200], [199]),
    ("meeting", "company"): ([188], [187]),
    ("note", "contact"): ([202], [201]),
    ("note", "company"): ([190], [189]),
    ("task", "contact"): ([204], [203]),
    ("task", "company"): ([192], [191]),
    ("communication", "contact"): ([81], [82]),
    ("postal_mail", "contact"): ([453], [454]),
}
ASSOCIATIONS: dict[tuple[str, str], list[int]] = {}
for (_from, _to), (_there, _back) in _BOTH_WAYS.items():
    ASSOCIATIONS[_from, _to] = _there
    ASSOCIATIONS[_to, _from] = _back
USER_DEFINED = 51
"""Of associations with a record of a custom type."""
