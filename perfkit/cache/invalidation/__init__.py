"""What makes values invalid, in this worker and in all others."""
