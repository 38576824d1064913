"""What to think of the numbers and what to do about them."""

from perfkit.advice.targets import Targets
from perfkit.advice.verdict import Verdict, summarize

__all__ = ["Targets", "Verdict", "summarize"]
