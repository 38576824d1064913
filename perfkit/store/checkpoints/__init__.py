"""What workers know: one on behalf of all, and kept for its successor; or each of its own."""

from perfkit.store.checkpoints.channel import Channel
from perfkit.store.checkpoints.parts import Order
from perfkit.store.checkpoints.shares import Shares

__all__ = ["Channel", "Order", "Shares"]
