"""Report: a study becomes pictures, one HTML page, and the notes of the dashboard."""

from autometa.report._dashboard import annotate as annotate
from autometa.report._evidence import Evidence as Evidence
from autometa.report._evidence import Winner as Winner
from autometa.report._evidence import exported_winner as exported_winner
from autometa.report._evidence import gather as gather
from autometa.report._figures import pictures as pictures
from autometa.report._importance import importances as importances
from autometa.report._page import report_html as report_html
from autometa.report._page import write_report as write_report
from autometa.report._publish import publish_notes as publish_notes
from autometa.report._publish import publish_report as publish_report
from autometa.report._words import ROLE_NOTES as ROLE_NOTES

__all__ = [
    "ROLE_NOTES",
    "Evidence",
    "Winner",
    "annotate",
    "exported_winner",
    "gather",
    "importances",
    "pictures",
    "publish_notes",
    "publish_report",
    "report_html",
    "write_report",
]
