"""A simulation: an application on a simulated store, clock and network, in which a seed decides what happens next."""
