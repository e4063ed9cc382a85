"""Ways to interrupt a job."""


class StopAfter:
    """Says stop once it has been asked so often."""

    def __init__(self, n):
        self.left = n

    def __call__(self):
        self.left -= 1
        return self.left <= 0
