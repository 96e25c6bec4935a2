"""Stowbay: a self-hosted file storage appliance. See docs/explanation/architecture.md."""

__version__ = "0.1.0"
