"""Which alerts are told, together with which others, and which are kept quiet."""
