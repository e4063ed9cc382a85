"""The smallest student that is good enough: candidates, the heats in which they learn, and the deciding budget."""
