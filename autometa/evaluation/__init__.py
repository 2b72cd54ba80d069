"""Evaluation: predictors and fixed episodes become a score sheet, and figures with intervals."""

from autometa.evaluation._adaptation_curve import AdaptationPoint as AdaptationPoint
from autometa.evaluation._adaptation_curve import adaptation_curve as adaptation_curve
from autometa.evaluation._adaptation_curve import by_inner_steps as by_inner_steps
from autometa.evaluation._baseline_cache import score_baselines as score_baselines
from autometa.evaluation._batches import EvaluationBatches as EvaluationBatches
from autometa.evaluation._bootstrap import Advantage as Advantage
from autometa.evaluation._evaluate import score_learner as score_learner
from autometa.evaluation._metrics import METRICS as METRICS
from autometa.evaluation._metrics import EpisodeScores as EpisodeScores
from autometa.evaluation._metrics import calibration_error as calibration_error
from autometa.evaluation._metrics import score_probabilities as score_probabilities
from autometa.evaluation._score_sheet import ScoreSheet as ScoreSheet
from autometa.evaluation._score_sheet import WinsLosses as WinsLosses
from autometa.evaluation._tasks import EvaluationTask as EvaluationTask
from autometa.evaluation._tasks import evaluation_tasks as evaluation_tasks
from autometa.evaluation._verdict import verdicts as verdicts

__all__ = [
    "METRICS",
    "AdaptationPoint",
    "Advantage",
    "EpisodeScores",
    "EvaluationBatches",
    "EvaluationTask",
    "ScoreSheet",
    "WinsLosses",
    "adaptation_curve",
    "by_inner_steps",
    "calibration_error",
    "evaluation_tasks",
    "score_baselines",
    "score_learner",
    "score_probabilities",
    "verdicts",
]
