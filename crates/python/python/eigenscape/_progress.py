"""Progress on a terminal or in a notebook."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any, Callable, Union

#: `None`: a bar on a terminal and in a notebook; `False`: nothing; or a function of what is being
#: done, how much is done, and of how much.
Progress = Union[None, bool, Callable[[str, int, int], Any]]


#: How lines begin that warn.
_WARNING = "warning: "
#: Those that an exception repeats.
_RAISED = "warning: not measured"


class Bar:
    """A bar for the work of the moment, by tqdm where it is installed. `unsaid` matches the starts of warnings that
    are dropped."""

    def __init__(self, progress: Progress, words: Callable[[str], str] = str, unsaid: str = "") -> None:
        self._words, self._unsaid = words, re.compile(unsaid or r"(?!)")
        self._call = progress if callable(progress) else None
        self._shown = progress is True or (progress is None and _is_watched())
        self._bar: Any = None
        self._label: str | None = None

    def line(self, text: str) -> None:
        """Prints a line; a warning is one of Python's, whether or not progress is shown."""
        if text.startswith(_WARNING) and self._unsaid.match(text[len(_WARNING) :]):
            return
        if text.startswith(_WARNING) and not text.startswith(_RAISED):
            warnings.warn(self._words(text[len(_WARNING) :]), stacklevel=5)  # of the caller of spectra or run
        elif self._shown:
            self.close()
            print(self._words(text), file=sys.stderr)

    def update(self, label: str, done: int, total: int) -> None:
        """Shows that `done` of `total` are done."""
        if self._call is not None:
            self._call(label, done, total)
        if not self._shown:
            return
        if self._bar is None or self._label != label:
            self.close()
            self._bar, self._label = _new(label, total), label
        self._bar.n = min(done, total)
        self._bar.refresh()
        if done >= total:
            self.close()

    def report(self, line: str | None, label: str, done: int, total: int) -> None:
        """A line, or else progress."""
        if line is None:
            self.update(label, done, total)
        else:
            self.line(line)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class _Plain:
    """A line that is written over."""

    def __init__(self, label: str, total: int) -> None:
        self.n, self.label, self.total = 0, label, total

    def refresh(self) -> None:
        print(f"\r{self.label}: {self.n} of {self.total}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        print("\r" + " " * 60, end="\r", file=sys.stderr, flush=True)


def _new(label: str, total: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Plain(label, total)
    return tqdm(total=total, desc=label, leave=False)


def _is_watched() -> bool:
    """Whether there is a terminal or a notebook."""
    shell = sys.modules.get("IPython")
    return sys.stderr.isatty() or (shell is not None and shell.get_ipython() is not None)
