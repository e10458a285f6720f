"""What a campaign found, as one self-contained page and its figures. The only part of a campaign that draws."""

from ssbray.campaign.report.write import write

__all__ = ["write"]
