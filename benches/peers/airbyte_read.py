"""Reads /v1/customers with airbyte-cdk's source-declarative-manifest; prints {"seconds", "records"}.

Extraction only: the messages, which a destination would read, go to a file. Arguments: base URL of the API,
its key, a directory for the files. Run by a Python of its own, that of peers/airbyte.txt. Timed is
`source-declarative-manifest read`, without Python's start.
"""

import json
import os
import sys
import time
from pathlib import Path

from airbyte_cdk.cli.source_declarative_manifest import run

SCHEMA = {"type": "object", "additionalProperties": True, "properties": {"id": {"type": "string"}}}
LAST_ID = "{{ last_record['id'] }}"
DONE = "{{ not response['has_more'] }}"


def manifest(base_url: str) -> dict:
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["customers"]},
        "spec": {
            "type": "Spec",
            "connection_specification": {
                "type": "object",
                "properties": {"api_key": {"type": "string", "airbyte_secret": True}},
            },
        },
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "customers",
                "primary_key": "id",
                "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
                "retriever": {
                    "type": "SimpleRetriever",
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                    },
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": base_url,
                        "path": "/v1/customers",
                        "http_method": "GET",
                        "authenticator": {
                            "type": "BearerAuthenticator",
                            "api_token": "{{ config['api_key'] }}",
                        },
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "pagination_strategy": {
                            "type": "CursorPagination",
                            "cursor_value": LAST_ID,
                            "stop_condition": DONE,
                            "page_size": 100,
                        },
                        "page_size_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "limit",
                        },
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "starting_after",
                        },
                    },
                },
            }
        ],
    }


def main(base_url: str, api_key: str, directory: str) -> None:
    stream = {"name": "customers", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}
    catalog = {
        "streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]
    }
    config = {"api_key": api_key, "__injected_declarative_manifest": manifest(base_url)}
    paths = {name: Path(directory) / f"{name}.json" for name in ("config", "catalog")}
    paths["config"].write_text(json.dumps(config))
    paths["catalog"].write_text(json.dumps(catalog))
    messages = Path(directory) / "messages.jsonl"
    standard_output = os.dup(1)
    with open(messages, "wb") as file:
        os.dup2(file.fileno(), 1)
        began = time.monotonic()
        sys.argv[1:] = ["read", "--config", str(paths["config"]), "--catalog", str(paths["catalog"])]
        run()
        sys.stdout.flush()
        seconds = time.monotonic() - began
        os.dup2(standard_output, 1)
    with open(messages, "rb") as file:
        records = sum(line.startswith(b'{"type":"RECORD"') for line in file)
    print(json.dumps({"seconds": seconds, "records": records}))


if __name__ == "__main__":
    main(*sys.argv[1:])
