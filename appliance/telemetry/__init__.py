"""What the server processes tell about themselves: logs (logs.py) and figures (metrics.py)."""
