"""Training by minibatches, which several students share."""
