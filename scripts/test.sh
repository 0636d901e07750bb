#!/usr/bin/env bash
# Every kind of test, cheapest first. A failure doesn't stop the rest: one run tells all that is wrong.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
summary=()
began=$SECONDS

for step in lint deny test-unit test-house fuzz test-sql test-e2e; do
    printf '\n=== make %s\n' "$step"
    from=$SECONDS
    if make "$step"; then
        verdict=ok
    else
        verdict=FAILED
        failed=$((failed + 1))
    fi
    summary+=("$(printf '%-12s %-7s %5d s' "$step" "$verdict" $((SECONDS - from)))")
done

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
printf '%-12s %-7s %5d s\n' total "$([ "$failed" = 0 ] && echo ok || echo FAILED)" $((SECONDS - began))
printf '\nsteps: %d passed, %d failed\n' $((${#summary[@]} - failed)) "$failed"
[ "$failed" = 0 ]
