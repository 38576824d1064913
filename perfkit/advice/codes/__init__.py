"""What each code of a finding means: one page a code, hand-written, with the figures of the code filled in."""

from perfkit.advice.codes.explanation import CODES, Meaning, explanation, explanations
from perfkit.advice.codes.page import index, page

__all__ = ["CODES", "Meaning", "explanation", "explanations", "index", "page"]
