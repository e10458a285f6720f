"""What a study found, as one self-contained page, its figures, and Markdown. The only part of a study that draws."""

from ssbray.study.report.document import markdown
from ssbray.study.report.write import write

__all__ = ["markdown", "write"]
