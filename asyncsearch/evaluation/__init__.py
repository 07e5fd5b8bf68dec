"""How right runs are: under every vote, against each other, by level and subject, with how far that can be trusted."""

from asyncsearch.evaluation.accuracy import Accuracy
from asyncsearch.evaluation.bootstrap import Estimate, estimate
from asyncsearch.evaluation.evaluated_run import EvaluatedRun, evaluate_run
from asyncsearch.evaluation.evaluation import GROUPINGS, Evaluation, accuracy_of, evaluate
from asyncsearch.evaluation.judgement import Judgement, Method
from asyncsearch.evaluation.paired import PairedTest, paired_test
from asyncsearch.evaluation.pass_at_k import pass_at_k

__all__ = [
    "GROUPINGS",
    "Accuracy",
    "Estimate",
    "EvaluatedRun",
    "Evaluation",
    "Judgement",
    "Method",
    "PairedTest",
    "accuracy_of",
    "estimate",
    "evaluate",
    "evaluate_run",
    "paired_test",
    "pass_at_k",
]
