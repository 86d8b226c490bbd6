"""A training run as one page that can be opened, kept and sent."""

from tilewright.train.report.report import write_report

__all__ = ["write_report"]
