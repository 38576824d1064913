"""What each code of a finding means: one page a code, hand-written, with the figures of the code filled in."""

from perfkit.advice.codes.explanation import CODES, Explanation, explanation, explanations
from perfkit.advice.codes.page import index, page

__all__ = ["CODES", "Explanation", "explanation", "explanations", "index", "page"]
