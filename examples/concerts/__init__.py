"""Concerts, and who has seats: rules that know no framework, for the three examples that serve them."""
