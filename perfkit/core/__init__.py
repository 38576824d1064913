"""What everything in perfkit stands on: shared words, errors, events, time, the scheduler, the current exchange."""
