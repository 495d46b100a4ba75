"""Counts the models of torchvision, timm and transformers that are measured as PyTorch computes them.

    pip install -r requirements.txt
    cargo build --release
    python coverage.py --xtask ../../target/release/xtask            # every model; again to go on where it was stopped
    python coverage.py --xtask ... --only 'timm/vit.*'               # by a regular expression
    python coverage.py --report                                      # docs/coverage.md from what there is
    python coverage.py --files                                       # small ones for tests/exported

Each model is made with random weights and few channels, exported by torch.export, and PyTorch's loss, outputs, gradient, Hessian
product and Gauss-Newton product in f64 are compared with ours by `xtask verify`. One model after the other, each in a process
with limits of time and memory; results are lines of RESULTS, the last one of a model counts. `--again STATE` repeats models of a
state, such as `timeout`.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xtask", type=Path, help="the binary of xtask, built for release")
    parser.add_argument("--results", type=Path, default=HERE / "results.tmp", help="JSON lines, appended to")
    parser.add_argument("--only", default="", help="models whose LIBRARY/NAME matches")
    parser.add_argument("--again", default="", help="repeat models of these states, separated by commas")
    parser.add_argument("--seconds", type=float, default=240, help="for PyTorch, and for verify")
    parser.add_argument("--gib", type=float, default=10, help="memory for each of the two")
    parser.add_argument("--report", action="store_true", help="write docs/coverage.md")
    parser.add_argument("--files", action="store_true", help="write small models to tests/exported")
    return parser.parse_args()


def main():
    options = arguments()
    if options.xtask:
        run(options)
    if options.files:
        import files

        files.write()
    if options.report:
        from report import write

        write(results(options.results), HERE.parents[1] / "docs" / "coverage.md")


def run(options):
    from catalogue import catalogue

    known = results(options.results)
    again = options.again.split(",")
    for model in catalogue():
        state = known.get(model.key, {}).get("state")
        if re.match(options.only, model.key) and (state is None or state in again):
            record = attempt(model, options)
            with options.results.open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{record['key']}: {record['state']} {record.get('worst', '')} ({record['seconds']} s)", flush=True)


def results(path):
    """The last record of each model."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {record["key"]: record for record in map(json.loads, lines)}


def attempt(model, options):
    from judgement import judge

    folder = Path(tempfile.mkdtemp(prefix="coverage-"))
    start = time.monotonic()
    try:
        record = {"key": model.key, "library": model.library, "name": model.name} | judge(model, folder, options)
    finally:
        shutil.rmtree(folder)
    return record | {"seconds": round(time.monotonic() - start, 1)}


if __name__ == "__main__":
    main()
