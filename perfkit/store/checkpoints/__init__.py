"""What one worker knows on behalf of all, told to the others and kept for its successor."""

from perfkit.store.checkpoints.parts import Assembly, Order, split

__all__ = ["Assembly", "Order", "split"]
