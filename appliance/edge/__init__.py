"""The edge: nginx configuration, njs, and the Python twin of what njs decides."""
