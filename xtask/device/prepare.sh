#!/usr/bin/env bash
# Builds the programs that check.sh runs, into target/device, which is copied to a machine with a
# card: no Rust is compiled on that machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/device
rm -rf "$out"
mkdir -p "$out"

# Prints the path of the last executable in cargo's messages (JSON) on standard input.
executable() { python3 -c '
import json, sys
paths = [json.loads(line).get("executable") for line in sys.stdin if line.startswith("{")]
print([path for path in paths if path][-1])'; }

test() { cargo test --workspace --no-run --message-format=json --test "$1" | executable; }
strip -o "$out/operations" "$(test operations)"
strip -o "$out/reference" "$(test reference)"
strip -o "$out/card" "$(cargo build --release --workspace --example card --message-format=json | executable)"
strip -o "$out/xtask" "$(cargo build --release --workspace --bin xtask --message-format=json | executable)"
cp -r xtask/device/check.sh xtask/device/combine.py xtask/device/torch_peer.py experiments/quickstart.toml "$out"
cp -r tests "$out/tests"
ls -la "$out"
