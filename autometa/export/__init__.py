"""Configuration, weights and scores become a folder, and the folder a scikit-learn classifier.

Needs neither Optuna nor OpenML.
"""

from autometa.export._card import write_card as write_card
from autometa.export._card_scores import markdown_table as markdown_table
from autometa.export._classifier import FewShotClassifier as FewShotClassifier
from autometa.export._classifier import load as load
from autometa.export._compare import compare as compare
from autometa.export._compare import verdict as verdict
from autometa.export._drawing import drawing as drawing
from autometa.export._evaluate import evaluate_export as evaluate_export
from autometa.export._familiarity import seen_figures as seen_figures
from autometa.export._meta_config import SCHEMA_VERSION as SCHEMA_VERSION
from autometa.export._meta_config import FamilySeen as FamilySeen
from autometa.export._meta_config import Provenance as Provenance
from autometa.export._predict_csv import compare_csv as compare_csv
from autometa.export._predict_csv import predict_csv as predict_csv
from autometa.export._read import PRETRAINED as PRETRAINED
from autometa.export._read import Export as Export
from autometa.export._read import read_export as read_export
from autometa.export._write import require_replaceable as require_replaceable
from autometa.export._write import write_export as write_export

__all__ = [
    "PRETRAINED",
    "SCHEMA_VERSION",
    "Export",
    "FamilySeen",
    "FewShotClassifier",
    "Provenance",
    "compare",
    "compare_csv",
    "drawing",
    "evaluate_export",
    "load",
    "markdown_table",
    "predict_csv",
    "read_export",
    "require_replaceable",
    "seen_figures",
    "verdict",
    "write_card",
    "write_export",
]
