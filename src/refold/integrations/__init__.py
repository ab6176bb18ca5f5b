"""Read models in what the application uses for its database anyway: SQLAlchemy, Django."""
