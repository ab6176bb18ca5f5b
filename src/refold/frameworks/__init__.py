"""Web frameworks: the store, keys and stories of requests, and errors as answers, in the way of each."""
