"""What became of each problem: first and last seen, open, snoozed, fixed with proof, returned."""

from perfkit.advice.ledger.counts import Counts, Figures
from perfkit.advice.ledger.keeper import Keeper
from perfkit.advice.ledger.ledger import Ledger
from perfkit.advice.ledger.record import Fixed, Record, Release, Snoozed

__all__ = ["Counts", "Figures", "Fixed", "Keeper", "Ledger", "Record", "Release", "Snoozed"]
