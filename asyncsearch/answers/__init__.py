"""From a solution's text to an answer, from answers to a vote, and from a vote to right or wrong."""

from asyncsearch.answers.extraction import extract_answer
from asyncsearch.answers.grader import Grader
from asyncsearch.answers.registry import make_grader
from asyncsearch.answers.voting import VOTES, Ballot, choose

__all__ = ["VOTES", "Ballot", "Grader", "choose", "extract_answer", "make_grader"]
