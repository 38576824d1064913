"""What the process, the interpreter, the container and the event loops use, sampled off the request."""

from __future__ import annotations

from perfkit.performance.runtime.sampler import RuntimeSampler

__all__ = ["RuntimeSampler"]
