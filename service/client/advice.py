"""What a registration should tell the person behind it."""

from service.schemas import SupportResponse


def advice(answer: SupportResponse) -> list[str]:
    """Warnings and what to do about them; nothing where all is well.

    Args:
        answer: to the last request of a class, whose report is of all its shots.
    """
    if answer.report is None:
        return answer.warnings
    warnings = [each.message for each in answer.report.warnings]
    return [*warnings, answer.report.suggestion] if warnings else []
