"""Learners: configuration and episodes become meta-trained weights, and weights adapt to a task."""

from autometa.learners._base import AbstractLearner as AbstractLearner
from autometa.learners._base import Adapted as Adapted
from autometa.learners._base import cross_entropy as cross_entropy
from autometa.learners._baselines import BASELINE_VERSION as BASELINE_VERSION
from autometa.learners._baselines import BASELINES as BASELINES
from autometa.learners._baselines import SEMI_SUPERVISED_BASELINES as SEMI_SUPERVISED_BASELINES
from autometa.learners._baselines import baseline_probabilities as baseline_probabilities
from autometa.learners._baselines import baselines_of as baselines_of
from autometa.learners._build import build_learner as build_learner
from autometa.learners._build import learner_weights as learner_weights
from autometa.learners._build import load_weights as load_weights
from autometa.learners._column_kernel import ColumnKernel as ColumnKernel
from autometa.learners._inner_loop import descend as descend
from autometa.learners._inner_loop import support_gradient as support_gradient
from autometa.learners._maml import Maml as Maml
from autometa.learners._outer_loop import DivergedError as DivergedError
from autometa.learners._outer_loop import OuterLoop as OuterLoop

__all__ = [
    "BASELINES",
    "BASELINE_VERSION",
    "SEMI_SUPERVISED_BASELINES",
    "AbstractLearner",
    "Adapted",
    "ColumnKernel",
    "DivergedError",
    "Maml",
    "OuterLoop",
    "baseline_probabilities",
    "baselines_of",
    "build_learner",
    "cross_entropy",
    "descend",
    "learner_weights",
    "load_weights",
    "support_gradient",
]
