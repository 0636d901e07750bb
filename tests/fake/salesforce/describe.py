"""What there is: objects and their fields, as far as they can be seen."""

from __future__ import annotations

from typing import Any

from .fields import Field, SObject
from .view import View

SOAP = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "location": "urn:location",
}


def everything(view: View) -> dict[str, Any]:
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [_summary(view, each) for each in view.objects],
    }


def basic(view: View, sobject: SObject) -> dict[str, Any]:
    return {"objectDescribe": _summary(view, sobject), "recentItems": []}


def whole(view: View, sobject: SObject) -> dict[str, Any]:
    children = [
        {
            "cascadeDelete": field.cascades,
            "childSObject": below.name,
            "deprecatedAndHidden": False,
            "field": field.name,
            "relationshipName": field.child,
            "restrictedDelete": False,
        }
        for below, field in view.children(sobject)
    ]
    return {
        **_summary(view, sobject),
        "childRelationships": children,
        "fields": [_field(sobject, each) for each in view.fields(sobject)],
        "recordTypeInfos": [],
    }


def _summary(view: View, sobject: SObject) -> dict[str, Any]:
    name = view.name(sobject)
    label = name.removesuffix("__c")
    address = f"{view.root}/sobjects/{name}"
    urls = {"sobject": address, "describe": f"{address}/describe", "rowTemplate": f"{address}/{{ID}}"}
    return {
        "activateable": False,
        "createable": sobject.writable,
        "custom": sobject.custom,
        "customSetting": False,
        "deletable": sobject.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.prefix or None,
        "label": label,
        "labelPlural": f"{label}s",
        "layoutable": sobject.writable,
        "mergeable": sobject.name in ("Account", "Contact", "Lead"),
        "mruEnabled": sobject.writable,
        "name": name,
        "queryable": sobject.queryable,
        "replicateable": sobject.replicateable,
        "retrieveable": sobject.queryable,
        "searchable": sobject.writable,
        "triggerable": sobject.writable,
        "undeletable": sobject.deletable,
        "updateable": sobject.writable,
        "urls": urls,
    }


def _field(sobject: SObject, field: Field) -> dict[str, Any]:
    type = "string" if field.type == "name" else field.type
    number = field.type in ("double", "currency", "percent")
    calculated = field.path is not None
    writable = sobject.writable and field.writable
    return {
        "aggregatable": field.filterable,
        "autoNumber": False,
        "byteLength": field.length * 3,
        "calculated": calculated,
        "calculatedFormula": field.path,
        "compoundFieldName": field.compound or ("Name" if _named(sobject, field) else None),
        "createable": writable,
        "custom": field.custom,
        "defaultValue": False if type == "boolean" else None,
        "defaultedOnCreate": type == "boolean" or field.system,
        "deprecatedAndHidden": False,
        "digits": 9 if type == "int" else 0,
        "externalId": field.external,
        "filterable": field.filterable,
        "groupable": field.sortable and not number,
        "idLookup": field.external or field.name == "Id",
        "label": field.name.removesuffix("__c"),
        "length": field.length,
        "name": field.name,
        "nameField": field.name == "Name",
        "nillable": not field.required and not field.system and type != "boolean",
        "permissionable": not field.required and not field.system,
        "picklistValues": [
            {"active": True, "defaultValue": False, "label": each, "validFor": None, "value": each}
            for each in field.values
        ],
        "polymorphicForeignKey": len(field.refers) > 1,
        "precision": 18 if number else 0,
        "queryByDistance": type == "location",
        "referenceTo": list(field.refers),
        "relationshipName": field.relationship,
        "restrictedPicklist": bool(field.values),
        "scale": 2 if number else 0,
        "soapType": SOAP.get(type, "xsd:string"),
        "sortable": field.sortable,
        "type": type,
        "unique": field.external,
        "updateable": writable and not (field.cascades and field.required),
    }


def _named(sobject: SObject, field: Field) -> bool:
    """Whether it is a part of a person's name."""
    return field.name in ("FirstName", "LastName") and sobject.by_name["name"].type == "name"
