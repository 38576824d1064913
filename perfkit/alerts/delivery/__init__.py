"""The ways out: receivers, and what brings alerts to them without holding anybody up."""
