"""What the demo reports: figures, table, map and page."""

from greenlot.report.figures import Comparison, DemoReport, Measure, make_report
from greenlot.report.page import write_page
from greenlot.report.table import print_tables

__all__ = [
    "Comparison",
    "DemoReport",
    "Measure",
    "make_report",
    "print_tables",
    "write_page",
]
