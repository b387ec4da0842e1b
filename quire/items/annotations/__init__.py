"""Exports of annotation tools to votes, votes to labels."""
