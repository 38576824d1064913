"""Load reports: what servers say of their own load, and how it is written."""
