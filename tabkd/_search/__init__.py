"""The smallest student that will do: candidates, the heats in which they learn, and the budget that decides."""
