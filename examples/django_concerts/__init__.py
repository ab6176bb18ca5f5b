"""Concerts, served by Django."""
