"""What capturing a statement costs, and what a shape costs."""
