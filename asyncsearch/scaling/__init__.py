"""How right a budget makes: error against operations, what is optimal, and where voting ends."""

from asyncsearch.scaling.fitted_curve import FittedCurve
from asyncsearch.scaling.optimal import compute_optimal, pareto_frontier
from asyncsearch.scaling.points import RunScaling, ScalingPoint, measure_scaling
from asyncsearch.scaling.saturation import Saturation, fit_saturation
from asyncsearch.scaling.voting_curve import VotingCurve, voting_curve

__all__ = [
    "FittedCurve",
    "RunScaling",
    "Saturation",
    "ScalingPoint",
    "VotingCurve",
    "compute_optimal",
    "fit_saturation",
    "measure_scaling",
    "pareto_frontier",
    "voting_curve",
]
