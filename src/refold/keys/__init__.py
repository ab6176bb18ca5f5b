"""The keys of those whom personal data are about, in a database of their own: kept, and destroyed."""
