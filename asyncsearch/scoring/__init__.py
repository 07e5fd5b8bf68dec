"""Scores for the steps of solutions from anywhere."""

from asyncsearch.scoring.file_scoring import Scored, partial_file, score_file
from asyncsearch.scoring.solutions import Solutions, read_solutions, with_scores

__all__ = ["Scored", "Solutions", "partial_file", "read_solutions", "score_file", "with_scores"]
