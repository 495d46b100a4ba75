#!/usr/bin/env bash
# Checks the CUDA backend on a card, in at most eight minutes:
#
#     check.sh OUT [SECONDS]
#
# Runs in the folder that prepare.sh created: every law of every operation, the reference cases, an
# experiment from file to report on the card and on the CPU, benchmarks of Eigenscape, and
# benchmarks of PyTorch (eager and compiled) limited to SECONDS (default 180). Writes all results to
# OUT/check.json. Needs Python with PyTorch.
set -uo pipefail
cd "$(dirname "$0")"
out=$(mkdir -p "$1" && cd "$1" && pwd)
export EIGENSCAPE_TEST_GPU=0 EIGENSCAPE_REFERENCE=$PWD/tests/reference EIGENSCAPE_LAYERS=$PWD/tests/layers
run() { # NAME LIMIT COMMAND...
    local name=$1 limit=$2
    shift 2
    local start=$SECONDS
    timeout "$limit" "$@" > "$out/$name.out" 2> "$out/$name.err"
    echo "$name $? $((SECONDS - start))" | tee -a "$out/steps"
}
: > "$out/steps"
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader > "$out/card.txt"
# One process per network, so that the memory of one network does not affect the next.
times() {
    for network in lenet resnet18 gpt2 nano vit vgg11_bn; do timeout 40 ./card 30 "$network"; done
    for network in resnet18 gpt2; do timeout 30 ./card 20 "$network" tf32 no-spectra; done
    timeout 30 ./card 20 gpt2 f32-residuals memory=12
}
export -f times
run times 200 bash -c times
run operations 90 ./operations &
run reference 90 ./reference --nocapture &
wait
run gpu 90 ./xtask reproduce quickstart.toml --set device=cuda:0 --out "$out/gpu"
run cpu 60 ./xtask reproduce quickstart.toml --out "$out/cpu"
run torch $((${2:-180} + 15)) python3 torch_peer.py "$out/torch.json" "${2:-180}"
run bench 100 ./xtask bench lenet hvp layer-spectra --device cuda:0 --torch python3 --json "$out/bench.json"
python3 combine.py "$out"
