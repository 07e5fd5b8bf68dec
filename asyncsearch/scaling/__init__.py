"""How right a budget makes: error against operations, what is optimal, and where voting ends."""

from asyncsearch.scaling.fitted_curve import FittedCurve, fitted_curves
from asyncsearch.scaling.optimal import compute_optimal, pareto_frontier
from asyncsearch.scaling.points import ScalingPoint, scaling_points
from asyncsearch.scaling.saturation import Saturation, fit_saturation
from asyncsearch.scaling.voting_curve import VotingCurve, voting_curve

__all__ = [
    "FittedCurve",
    "Saturation",
    "ScalingPoint",
    "VotingCurve",
    "compute_optimal",
    "fit_saturation",
    "fitted_curves",
    "pareto_frontier",
    "scaling_points",
    "voting_curve",
]
