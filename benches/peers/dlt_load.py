"""Loads /v1/customers into PostgreSQL with dlt, as its documentation does it; prints {"seconds", "records"}.

Arguments: base URL of the API, its key, DSN of the database, a directory for dlt's files.
Run by a Python of its own, that of peers/dlt.txt. Timed is `pipeline.run`, without Python's start.
"""

import json
import sys
import time

import dlt
from dlt.destinations import postgres
from dlt.sources.rest_api import rest_api_source


def main(base_url: str, api_key: str, dsn: str, directory: str) -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{base_url}/v1/",
                "auth": {"type": "bearer", "token": api_key},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "data[-1].id",
                    "cursor_param": "starting_after",
                    "has_more_path": "has_more",
                },
            },
            "resources": [
                {
                    "name": "customers",
                    "primary_key": "id",
                    "write_disposition": {"disposition": "merge", "strategy": "upsert"},
                    "endpoint": {"path": "customers", "params": {"limit": 100}, "data_selector": "data"},
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "bench", destination=postgres(credentials=dsn), dataset_name="stripe", pipelines_dir=directory
    )
    began = time.monotonic()
    pipeline.run(source)
    seconds = time.monotonic() - began
    records = pipeline.last_trace.last_normalize_info.row_counts["customers"]
    print(json.dumps({"seconds": seconds, "records": records}))


if __name__ == "__main__":
    main(*sys.argv[1:])
