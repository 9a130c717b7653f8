#!/usr/bin/env bash
# What a newcomer does, in a fresh clone with a bare environment: `make demo`, then the README's first question.
# Run by .ci/run. SMOKE_WORKTREE=1 takes the files as they lie here, committed or not, instead of the last commit.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
scratch="$(mktemp -d)"
clone="$scratch/sherwood"
demo=""
ready_within_s="${SMOKE_READY_WITHIN_S:-240}"

finish() {
    if [[ -n "$demo" ]] && kill -0 "$demo" 2>/dev/null; then
        # Its own process group: make, and the demo that make started.
        kill -TERM -- "-$demo" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 -- "-$demo" 2>/dev/null || break; sleep 0.1; done
        kill -KILL -- "-$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

fail() {
    echo "smoke test: $1" >&2
    if [[ -s "$scratch/demo.log" ]]; then tail -n 40 "$scratch/demo.log" >&2; fi
    exit 1
}

bare() { env -i PATH="$PATH" HOME="$scratch/home" "$@"; }

mkdir -p "$scratch/home" "$clone"
if [[ -n "${SMOKE_WORKTREE:-}" ]]; then
    git -C "$root" ls-files -z -co --exclude-standard | tar -C "$root" --null --ignore-failed-read -cf - -T - | tar -C "$clone" -xf -
else
    git clone --quiet "$root" "$clone"
fi
cd "$clone"

started="$SECONDS"
python="$(make --no-print-directory --silent python)"
port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"$python" tests/smoke/answer.py question README.md "$port" >"$scratch/question.sh"

set -m
bare make demo PORT="$port" </dev/null >"$scratch/demo.log" 2>&1 &
demo="$!"
set +m

until curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:$port/readyz"; do
    kill -0 "$demo" 2>/dev/null || fail "make demo ended by itself"
    (( SECONDS - started < ready_within_s )) || fail "not ready after $ready_within_s seconds"
    sleep 0.5
done
ready="$((SECONDS - started))"

bare bash -euo pipefail "$scratch/question.sh" >"$scratch/answer.json" 2>"$scratch/question.err" \
    || fail "the README's question failed: $(cat "$scratch/question.err")"
curl --silent --fail --max-time 30 --output "$scratch/sources.json" "http://127.0.0.1:$port/graphql" \
    --header 'Content-Type: application/json' --data '{"query": "{ sources { id name } }"}' \
    || fail "the gateway does not list its sources"
"$python" tests/smoke/answer.py judge "$scratch/answer.json" "$scratch/sources.json" \
    || fail "the answer to the README's question is not whole"
if command -v npm >/dev/null 2>&1; then
    page="$(curl --silent --fail --max-time 10 "http://127.0.0.1:$port/")" || fail "/ shows nothing"
    script="$(grep -o '/assets/viewer-[^"]*\.js' <<<"$page")" || fail "/ is not the viewer, although npm is here"
    curl --silent --fail --max-time 10 --output /dev/null "http://127.0.0.1:$port$script" || fail "$script does not load"
fi
echo "smoke test: from nothing to ready in $ready s, to the answer in $((SECONDS - started)) s, $(wc -c <"$scratch/answer.json") bytes"
