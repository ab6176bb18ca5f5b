"""Where flows meet threads and event loops: the only place in which code has a colour."""
