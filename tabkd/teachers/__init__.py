"""Teachers: the default ensemble, and soft targets of any estimator."""
