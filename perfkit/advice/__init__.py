"""What to think of the numbers and what to do about them."""

from perfkit.advice.advisor import Advisor
from perfkit.advice.ranking import Load, rank
from perfkit.advice.score import Loss, Outlook, Part, Score
from perfkit.advice.targets import Targets
from perfkit.advice.verdict import Verdict, summarize

__all__ = ["Advisor", "Load", "Loss", "Outlook", "Part", "Score", "Targets", "Verdict", "rank", "summarize"]
