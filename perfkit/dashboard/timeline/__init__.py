"""Time on the pages: which stretch of it a view shows, what happened then, and how that compares with before."""
