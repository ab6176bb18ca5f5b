"""A time machine for git repositories: their history as events, and any tree of it by a fold."""
