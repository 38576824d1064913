"""What one worker knows on behalf of all, told to the others and kept for its successor."""

from perfkit.store.checkpoints.channel import Channel
from perfkit.store.checkpoints.parts import Order

__all__ = ["Channel", "Order"]
