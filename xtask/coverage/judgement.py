"""What becomes of one model."""

import json
import math

from conditioning import sensitivity
from limits import forked
from reference import short, write
from verification import LIMIT, verify

# How many times the effect of rounding the weights a difference may be, to come from rounding.
ROUNDING = 100


def judge(model, folder, options):
    """Facts of the model, with its `state`."""
    record = _in_fork(lambda record: write(model, folder, record), folder, options)
    if "failed" in record:
        return record | {"state": record["failed"]}
    if "no_export" in record:
        return record | {"state": "no export"}
    record |= verify(options.xtask.resolve(), folder, options.seconds, options.gib)
    record["state"] = state = _state(record)
    if state == "wrong":
        moved = _in_fork(lambda found: found.update(sensitivity(model)), folder, options)
        record["sensitivity"] = moved
        if _explains(moved, record["errors"]):
            record["state"] = "ill-conditioned"
    return record


def _state(record):
    for state in ("unknown", "refused"):
        if state in record:
            return state
    if "verify" in record:
        return record["verify"]
    compared = ("loss", "logits", "grad") if "no_second_derivative" in record else tuple(record["errors"])
    errors = [record["errors"][name] for name in compared]
    record["worst"] = math.inf if any(map(math.isnan, errors)) else max(errors)
    if record["worst"] > LIMIT:
        return "wrong"
    return "first order" if "no_second_derivative" in record else "verified"


def _explains(moved, errors):
    return all(error <= max(LIMIT, ROUNDING * moved.get(name, 0)) for name, error in errors.items())


def _in_fork(fill, folder, options):
    """The record that `fill` filled in a process of its own; `failed` where that did not end well."""
    path = folder / "record.json"

    def function():
        record = {}
        try:
            fill(record)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001: whatever a library says is the result
            record["failed"], record["message"] = "error", short(error)
        path.write_text(json.dumps(record))

    ended = forked(function, options.seconds, options.gib)
    record = json.loads(path.read_text()) if path.exists() else {}
    path.unlink(missing_ok=True)
    return record | ({"failed": ended, "stage": "PyTorch"} if ended else {})
