"""Warnings that follow from a registration, for people."""

from service.schemas import SupportResponse


def advice(response: SupportResponse) -> list[str]:
    """Warnings and a suggestion; empty if there are none.

    Args:
        response: to the last request of a class, whose report covers all its shots.
    """
    if response.report is None:
        return response.warnings
    warnings = [each.message for each in response.report.warnings]
    return [*warnings, response.report.suggestion] if warnings else []
