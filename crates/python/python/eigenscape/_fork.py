"""Forked processes, which lack the threads of their parent."""

from __future__ import annotations

import os

from ._errors import failed

_used = False
_lost = False


def check() -> None:
    """Refuses to compute in a process that was forked from one that has computed: its threads are gone,
    and work that waits for them would wait for ever.
    """
    global _used
    if _lost:
        raise failed(
            "this process was forked from one that has used eigenscape, whose threads it does not have",
            'start it with multiprocessing.get_context("spawn"), or fork before the first call',
        )
    _used = True


def _in_child() -> None:
    global _lost
    _lost = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
