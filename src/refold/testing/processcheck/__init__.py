"""A model check of processes: one instance, run in every order of inputs that matters, within a bound."""
