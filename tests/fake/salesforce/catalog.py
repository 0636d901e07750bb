"""The objects of the org. Their fields and prefixes are Salesforce's, and fewer than Salesforce's."""

from __future__ import annotations

from .fields import SObject, fields

OWNER = "OwnerId:reference(User/Group)!"

# fmt: off
# In the order in which they are filled: what a record refers to comes first.
OBJECTS: tuple[SObject, ...] = (
    SObject("UserRole", "00E", 4, fields("Name:string(80)! DeveloperName:string(80)", "unborn")),
    SObject("Profile", "00e", 3, fields("Name:string(255) Description:string(255)", "setup"), writable=False),
    SObject("User", "005", 12, fields("""
        Username:string(80)! LastName:string(80)! FirstName:string(40) Name:name Email:email! Title:string(80)
        IsActive:boolean UserRoleId:reference(UserRole) ProfileId:reference(Profile)
        TimeZoneSidKey:picklist(GMT)""", "setup")),
    SObject("Group", "00G", 4, fields("Name:string(40)! DeveloperName:string(80) "
        "Type:picklist(Regular/Queue)", "setup")),
    SObject("RecordType", "012", 3, fields("Name:string(80)! DeveloperName:string(80)! "
        "SobjectType:picklist(Account/Case) Description:string(255) IsActive:boolean", "setup")),
    SObject("Account", "001", 300, fields(f"""
        Name:string(255)! Type:picklist(Prospect/Customer+-+Direct/Partner)
        RecordTypeId:reference(RecordType) ParentId:reference(Account)>ChildAccounts BillingAddress:address
        ShippingAddress:address Phone:phone Website:url Industry:picklist(Banking/Energy/Other)
        AnnualRevenue:currency NumberOfEmployees:int Description:textarea Rating:picklist(Hot/Warm/Cold)
        Site__c:location Interests__c:multipicklist(Golf/Chess/Wine) External_Id__c:string(40)*
        {OWNER}"""), refusal="AnnualRevenue"),
    SObject("Contact", "003", 2500, fields(f"""
        AccountId:reference(Account)^>Contacts LastName:string(80)! FirstName:string(40) Name:name
        MailingAddress:address Phone:phone MobilePhone:phone Email:email Title:string(128)
        Department:string(80) ReportsToId:reference(Contact) Birthdate:date Description:textarea
        HasOptedOutOfEmail:boolean AccountPhone__c:phone=Account.Phone Key__c:string(40)* {OWNER}""")),
    SObject("Lead", "00Q", 150, fields(f"""
        LastName:string(80)! FirstName:string(40) Name:name Company:string(255)! Address:address Phone:phone
        Email:email Status:picklist(Open/Working/Closed)! LeadSource:picklist(Web/Phone/Other)
        IsConverted:boolean Description:textarea {OWNER}""")),
    SObject("Campaign", "701", 10, fields(f"""
        Name:string(80)! Type:picklist(Email/Event) Status:picklist(Planned/Completed) StartDate:date
        BudgetedCost:currency IsActive:boolean Description:textarea {OWNER}""")),
    SObject("CampaignMember", "00v", 60, fields("""
        CampaignId:reference(Campaign)!^>CampaignMembers ContactId:reference(Contact)^>CampaignMembers
        Status:picklist(Sent/Responded) HasResponded:boolean Title:string(128)""")),
    SObject("Opportunity", "006", 250, fields(f"""
        AccountId:reference(Account)^>Opportunities Name:string(120)! CampaignId:reference(Campaign)
        StageName:picklist(Prospecting/Closed+Won/Closed+Lost)! Amount:currency Probability:percent
        CloseDate:date! IsClosed:boolean Description:textarea {OWNER}"""), refusal="Amount"),
    SObject("Product2", "01t", 30, fields("""
        Name:string(255)! ProductCode:string(255) IsActive:boolean Family:picklist(Hardware/Software)
        Description:string(4000)""")),
    SObject("Pricebook2", "01s", 2, fields("""
        Name:string(255)! IsActive:boolean IsStandard:boolean Description:string(255)""")),
    SObject("PricebookEntry", "01u", 50, fields("""
        Pricebook2Id:reference(Pricebook2)!>PricebookEntries Product2Id:reference(Product2)!>PricebookEntries
        UnitPrice:currency! IsActive:boolean Note__c:string(80)"""), refusal="UnitPrice"),
    SObject("OpportunityLineItem", "00k", 300, fields("""
        OpportunityId:reference(Opportunity)!^>OpportunityLineItems PricebookEntryId:reference(PricebookEntry)
        Product2Id:reference(Product2) Quantity:double! UnitPrice:currency! Description:string(255)
        Stage__c:picklist=Opportunity.StageName""")),
    SObject("Contract", "800", 30, fields(f"""
        AccountId:reference(Account)!^>Contracts Status:picklist(Draft/Activated)! StartDate:date
        ContractTerm:int Description:textarea {OWNER}""")),
    SObject("Order", "801", 60, fields(f"""
        AccountId:reference(Account)!^>Orders Status:picklist(Draft/Activated)! EffectiveDate:date!
        ContractId:reference(Contract) BillingAddress:address Description:textarea {OWNER}""")),
    SObject("OrderItem", "802", 120, fields("""
        OrderId:reference(Order)!^>OrderItems PricebookEntryId:reference(PricebookEntry) Quantity:double!
        UnitPrice:currency! Description:string(255)""")),
    SObject("Quote", "0Q0", 30, fields(f"""
        OpportunityId:reference(Opportunity)!^>Quotes Name:string(255)! Status:picklist(Draft/Accepted)
        ExpirationDate:date Description:textarea {OWNER}""")),
    SObject("Asset", "02i", 40, fields(f"""
        AccountId:reference(Account)>Assets Product2Id:reference(Product2) Name:string(255)!
        SerialNumber:string(80) Quantity:double Description:textarea {OWNER}""")),
    SObject("Case", "500", 200, fields(f"""
        AccountId:reference(Account)>Cases ContactId:reference(Contact)>Cases Subject:string(255)
        Status:picklist(New/Working/Closed) Priority:picklist(High/Low) Origin:picklist(Web/Email)
        IsClosed:boolean ClosedDate:datetime Description:textarea {OWNER}""")),
    SObject("Task", "00T", 200, fields(f"""
        WhoId:reference(Contact/Lead)>Tasks WhatId:reference(Account/Opportunity/Case)>Tasks
        Subject:string(255) Status:picklist(Not+Started/Completed)! Priority:picklist(High/Normal)!
        ActivityDate:date Description:textarea {OWNER}""")),
    SObject("Event", "00U", 80, fields(f"""
        WhoId:reference(Contact/Lead)>Events WhatId:reference(Account/Opportunity/Case)>Events
        Subject:string(255) StartDateTime:datetime! DurationInMinutes:int! IsAllDayEvent:boolean
        Description:textarea {OWNER}""")),
    SObject("Note", "002", 30, fields(f"""
        ParentId:reference(Account/Opportunity)!^>Notes Title:string(80)! Body:textarea IsPrivate:boolean
        {OWNER}""")),
    SObject("Attachment", "00P", 20, fields(f"""
        ParentId:reference(Account/Case)!^>Attachments Name:string(255)! ContentType:string(120)
        BodyLength:int Body:base64! Description:string(500) {OWNER}""")),
    SObject("ContentVersion", "068", 20, fields(f"""
        Title:string(255)! PathOnClient:string(500) FileType:string(20) ContentSize:int IsLatest:boolean
        VersionData:base64 Description:string(1000) {OWNER}""")),
    SObject("Invoice__c", "a00", 150, fields(f"""
        Name:string(80) Account__c:reference(Account)>Invoices__r Amount__c:currency Paid__c:boolean
        Due__c:date Number__c:string(20)* State__c:picklist(open/paid/void) Note__c:textarea {OWNER}"""),
        refusal="Amount__c"),
    SObject("Line__c", "a01", 400, fields("""
        Name:string(80) Invoice__c:reference(Invoice__c)!^>Lines__r Quantity__c:double Price__c:currency
        Product__c:reference(Product2)>Lines__r InvoiceState__c:picklist=Invoice__r.State__c
        Note__c:string(255)""")),
    # What the Bulk API does not know, what has no SystemModstamp, and what can't be queried at all.
    SObject("CaseStatus", "01J", 3, fields("ApiName:string(255) MasterLabel:string(255) SortOrder:int "
        "IsClosed:boolean IsDefault:boolean", "setup"), bulk=False, writable=False),
    SObject("TaskStatus", "01T", 3, fields("ApiName:string(255) MasterLabel:string(255) SortOrder:int "
        "IsClosed:boolean IsDefault:boolean", "setup"), bulk=False, writable=False),
    SObject("AccountHistory", "017", 60, fields("AccountId:reference(Account)^>Histories "
        "Field:picklist(Name/Phone/Rating) DataType:string(40)", "history"), writable=False),
    SObject("LoginHistory", "0Ya", 40, fields("UserId:reference(User) LoginTime:datetime "
        "SourceIp:string(45) Status:string(80)", "bare"), writable=False),
    SObject("ActivityHistory", "0AH", 0, fields("AccountId:reference(Account)>ActivityHistories "
        "Subject:string(255)"), queryable=False, bulk=False, writable=False),
    SObject("AggregateResult", "", 0, fields("", "bare"), queryable=False, bulk=False, writable=False),
)
# fmt: on

BY_NAME = {each.name: each for each in OBJECTS}
BY_LOWER = {each.name.lower(): each for each in OBJECTS}
BY_PREFIX = {each.prefix: each for each in OBJECTS if each.prefix}

CHILDREN: dict[str, list[tuple[SObject, str]]] = {}
"""Object → the fields that refer to it, with the object that has them."""
for _each in OBJECTS:
    for _field in _each.fields:
        for _target in _field.refers if not _field.system else ():
            CHILDREN.setdefault(_target, []).append((_each, _field.name))
