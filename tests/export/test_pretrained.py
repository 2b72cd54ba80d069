from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from autometa import FewShotClassifier, load
from autometa.export import read_export


def test_the_package_comes_with_an_export_that_says_what_it_was_tested_on() -> None:
    """The shipped weights carry their scores on test tables and the families they have seen."""
    export = read_export()

    sheet = export.sheet()

    assert set(sheet.frame["role"]) >= {"test"}
    assert export.families_seen()
    assert "Test score" in (export.path / "card.md").read_text()


@pytest.mark.parametrize("classifier", [FewShotClassifier(), load()], ids=["class", "load"])
def test_the_default_classifier_is_pretrained(classifier: FewShotClassifier) -> None:
    """Without a path, five labelled rows per class are enough for far more than chance."""
    x, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == label))[:5] for label in (0, 1)])

    accuracy = classifier.fit(x[rows], y[rows]).score(x, y)

    assert accuracy > 0.8
