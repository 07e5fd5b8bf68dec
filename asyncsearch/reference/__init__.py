"""The files of the REBASE reference (github.com/thu-wyz/inference_scaling), read and written."""

from asyncsearch.reference.prompts import problem_of, solution_of
from asyncsearch.reference.reading import is_reference_file, read_reference_results
from asyncsearch.reference.writing import ReferenceRecord, answer_taken, reference_record

__all__ = [
    "ReferenceRecord",
    "answer_taken",
    "is_reference_file",
    "problem_of",
    "read_reference_results",
    "reference_record",
    "solution_of",
]
