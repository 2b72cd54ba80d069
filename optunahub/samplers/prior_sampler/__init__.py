"""Warm starts from past studies, with a bound on what a misleading past can cost."""

from autometa.priors import PriorSampler, StudyPrior

__all__ = ["PriorSampler", "StudyPrior"]
