#!/usr/bin/env bash
# Installs what building and testing need, on Debian 12 with a Rust toolchain. Does only what is missing, so
# that it can run before every target. PG_CONFIG and PGRX_HOME choose another PostgreSQL and pgrx directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
PGRX_HOME=${PGRX_HOME:-$HOME/.pgrx}
PGRX_VERSION=0.18.1

say() { printf '== %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "installing packages needs root: run this as root, or install sudo"
    fi
}

# dpkg knows better than `command -v`: a header package brings no command.
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

debian_packages() {
    local wanted=() missing=() package
    # A PG_CONFIG of the user's own is a PostgreSQL of the user's own.
    case $PG_CONFIG in
        /usr/lib/postgresql/15/*) wanted+=(postgresql-15 postgresql-server-dev-15) ;;
    esac
    wanted+=(libclang-dev clang gcc g++ pkg-config ca-certificates)
    command -v node >/dev/null && command -v npm >/dev/null || wanted+=(nodejs npm)
    python >/dev/null 2>&1 || wanted+=(python3 python3-venv)
    for package in "${wanted[@]}"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return

    command -v apt-get >/dev/null || fail "apt-get is missing; install by hand: ${missing[*]}"
    say "apt-get install ${missing[*]}"
    # Without this Debian's package would create a cluster and start it; the tests bring their own.
    local no_cluster=/etc/postgresql-common/createcluster.d/no-main-cluster.conf
    as_root mkdir -p "$(dirname "$no_cluster")"
    echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    as_root rm -f "$no_cluster"
}

# Prints the Python to make the virtual environment with: 3.11 or newer, able to make one.
python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

rust() {
    command -v cargo >/dev/null ||
        fail "cargo is missing: install a Rust toolchain (rustup.rs) of the version in Cargo.toml"
    local have
    have=$(cargo pgrx --version 2>/dev/null || true)
    if [ "$have" != "cargo-pgrx $PGRX_VERSION" ]; then
        say "cargo install cargo-pgrx $PGRX_VERSION (some minutes)"
        cargo install cargo-pgrx --version "$PGRX_VERSION" --locked
    fi
}

pgrx() {
    [ -x "$PG_CONFIG" ] || fail "PG_CONFIG=$PG_CONFIG is no program; set it to the pg_config of PostgreSQL 15"
    if ! grep -qsF "\"$PG_CONFIG\"" "$PGRX_HOME/config.toml"; then
        say "cargo pgrx init --pg15=$PG_CONFIG"
        PGRX_HOME=$PGRX_HOME cargo pgrx init --pg15="$PG_CONFIG"
    fi
}

virtual_environment() {
    local done_for=.venv/requirements.txt
    if cmp -s tests/requirements.txt "$done_for" && .venv/bin/python -c '' 2>/dev/null; then return; fi
    say "python packages of tests/requirements.txt"
    "$(python)" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$done_for"
}

# Servers of others' making that the tests run against, pinned by the lock file.
node_packages() {
    [ -f tests/package-lock.json ] || return 0
    local done_for=tests/node_modules/.installed-lock.json
    if cmp -s tests/package-lock.json "$done_for"; then return; fi
    say "node packages of tests/package.json"
    npm ci --prefix tests --no-audit --no-fund --loglevel=error
    cp tests/package-lock.json "$done_for"
}

debian_packages
rust
pgrx
virtual_environment
node_packages
