"""Exceptions with the remedy."""

from __future__ import annotations

from ._native import ConfigurationError, EigenscapeError


def unusable(problem: str, remedy: str | None) -> ConfigurationError:
    """The exception for an argument that cannot be used."""
    error = ConfigurationError(_text(problem, remedy))
    error.remedy = remedy
    return error


def failed(problem: str, remedy: str | None) -> EigenscapeError:
    """The exception for what could not be done."""
    error = EigenscapeError(_text(problem, remedy))
    error.remedy = remedy
    return error


def _text(problem: str, remedy: str | None) -> str:
    return problem if remedy is None else f"{problem}\n  help: {remedy}"
