"""The parts of the page of one kept request: its tabs, and what each kind of span shows."""
