"""Which indexes a workload wants: candidates, what they would cost and save, and which of them to make."""
